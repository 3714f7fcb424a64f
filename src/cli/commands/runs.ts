// alamode runs: what was asked for when, and what came of it.

import { jsonLine } from "../../bencode/as-json.ts";
import { clip } from "../../plan/clip.ts";
import type { RecordDb, Run } from "../../record/types.ts";
import { type CommonOptions, contextOf, withExisting } from "../context.ts";
import { EXIT } from "../errors.ts";
import { date, duration, table } from "../format.ts";
import { columnsOf } from "../view.ts";

export interface RunsFlags extends CommonOptions {
  readonly limit: number;
}

const HEAD = ["run", "when", "pipeline", "params", "ran", "same", "reused", "failed", "took", "note"];
const RIGHT = [4, 5, 6, 7, 8];
const PARAMS = HEAD.indexOf("params");

export async function runsCommand(options: RunsFlags): Promise<number> {
  const context = await contextOf(options);
  return withExisting({ ...context, look: true }, async ({ record }) => {
    const runs = await record.runs(options.limit);
    if (options.json) {
      for (const run of runs) process.stdout.write(`${jsonLine(run)}\n`);
      return EXIT.done;
    }
    const now = Date.now();
    const shown = shownParams(runs);
    const all = await Promise.all(runs.map(async (run) => row(run, await endText(record, run), now, shown)));
    const rows = [HEAD, ...all].map((cells) =>
      shown.size === 0 ? cells.filter((_, i) => i !== PARAMS) : cells,
    );
    const lines = table(rows, shown.size === 0 ? RIGHT.map((column) => column - 1) : RIGHT);
    const fitting =
      process.stdout.isTTY === true ? lines.map((line) => clip(line, columnsOf(process.stdout))) : lines;
    process.stdout.write(`${fitting.join("\n")}\n`);
    return EXIT.done;
  });
}

/** Of each pipeline the parameters that were not the same in all of its runs: what tells them from each other. */
function shownParams(runs: readonly Run[]): ReadonlyMap<string, ReadonlySet<string>> {
  const first = new Map<string, Run>();
  const shown = new Map<string, Set<string>>();
  for (const run of runs) {
    const { params } = first.get(run.pipeline) ?? run;
    first.set(run.pipeline, first.get(run.pipeline) ?? run);
    for (const name of new Set([...Object.keys(params), ...Object.keys(run.params)])) {
      if (params[name] === run.params[name]) continue;
      shown.set(run.pipeline, (shown.get(run.pipeline) ?? new Set()).add(name));
    }
  }
  return shown;
}

/** `2026-11-01`, `2026-11-01 k=4`: a date needs no name. */
function paramsText({ pipeline, params }: Run, shown: ReadonlyMap<string, ReadonlySet<string>>): string {
  const names = Object.keys(params).filter((name) => shown.get(pipeline)?.has(name));
  return names.map((name) => (name === "date" ? params[name]! : `${name}=${params[name]}`)).join(" ");
}

function row(run: Run, end: string, now: number, shown: ReturnType<typeof shownParams>): string[] {
  const { ran, same, reused, failed } = run.counts;
  const took = run.endedAt === undefined ? "" : duration(run.endedAt - run.startedAt);
  const note = [end, run.note].filter((text) => text !== "").join("; ");
  return [
    `${run.number}`,
    date(run.startedAt, now),
    run.pipeline,
    paramsText(run, shown),
    `${ran}`,
    `${same}`,
    `${reused}`,
    `${failed}`,
    took,
    note,
  ];
}

/** How it ended, where that is not plain from the counts. */
export async function endText(record: RecordDb, run: Run): Promise<string> {
  switch (run.status) {
    case "running":
      return (await record.isLive(run.id)) ? "running" : "killed";
    case "interrupted":
      return "interrupted";
    case "abandoned":
      return "killed";
    default:
      return "";
  }
}
