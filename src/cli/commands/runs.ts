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

const HEAD = ["run", "when", "pipeline", "ran", "same", "reused", "failed", "took", "note"];
const RIGHT = [3, 4, 5, 6, 7];

export async function runsCommand(options: RunsFlags): Promise<number> {
  const context = await contextOf(options);
  return withExisting(context, async ({ record }) => {
    const runs = await record.runs(options.limit);
    if (options.json) {
      for (const run of runs) process.stdout.write(`${jsonLine(run)}\n`);
      return EXIT.done;
    }
    const now = Date.now();
    const rows = await Promise.all(runs.map(async (run) => row(run, await endText(record, run), now)));
    if (process.stdout.isTTY !== true) process.stdout.write(`${table([HEAD, ...rows], RIGHT).join("\n")}\n`);
    else
      process.stdout.write(
        `${table([HEAD, ...rows], RIGHT)
          .map((line) => clip(line, columnsOf(process.stdout)))
          .join("\n")}\n`,
      );
    return EXIT.done;
  });
}

function row(run: Run, end: string, now: number): string[] {
  const { ran, same, reused, failed } = run.counts;
  const took = run.endedAt === undefined ? "" : duration(run.endedAt - run.startedAt);
  const note = [end, run.note].filter((text) => text !== "").join("; ");
  return [
    `${run.number}`,
    date(run.startedAt, now),
    run.pipeline,
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
