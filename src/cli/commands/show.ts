// alamode show: all that is known of an output, or of a run.

import { jsonDocument } from "../../bencode/as-json.ts";
import type { Bnormal, BnormalMap } from "../../bencode/types.ts";
import { valueText } from "../../plan/change-text.ts";
import { s3DigestText } from "../../plan/source-s3.ts";
import type { OutputId } from "../../plan/types.ts";
import type { Execution, RecordDb, Run, Success } from "../../record/types.ts";
import type { Stores } from "../../store/stores.ts";
import { type CommonOptions, type Context, contextOf, type Opened, withExisting } from "../context.ts";
import { EXIT } from "../errors.ts";
import { bytes, count, date, duration, herePath, longId, pad, shortId, table, visible } from "../format.ts";
import { findOutput, nameOf, runNumbered } from "../lookup.ts";
import { summaryLine } from "../report.ts";
import { timesText } from "../verify-report.ts";
import { endText } from "./runs.ts";

const MOST_TASKS = 40;

export async function showCommand(what: string, options: CommonOptions): Promise<number> {
  const context = await contextOf(options);
  return withExisting({ ...context, look: true }, async (opened) => {
    const run = /^\d{1,9}$/.test(what) ? await runNumbered(opened.record, what) : undefined;
    if (run !== undefined) return showRun(run, opened.record, options.json === true);
    const { output, name } = await findOutput(context, opened.record, what, "show");
    return showOutput(context, opened, output, name);
  });
}

async function showOutput(context: Context, opened: Opened, output: OutputId, name: string): Promise<number> {
  const { record, store: stores } = opened;
  const identity = await record.identity(output);
  const [current, history, executions] = await Promise.all([
    record.successes([output]).then((found) => found.get(output)),
    record.history(output),
    record.executions(output),
  ]);
  const success = current ?? history[0];
  const [isThere = false] = current === undefined ? [] : await stores.present([current]);
  const place = isThere ? (await stores.of(current!)).place(current!.location) : undefined;
  const path = isThere ? await stores.here(current!) : undefined;
  const store = success && (await stores.called(success.store));
  const execution = success === undefined ? executions[0] : await record.execution(success.execution);
  const kept = await record.keptScratch(output);
  const reproducibility = (await record.reproducibility([output])).get(output);
  if (context.options.json) {
    const { spec = {}, inputs = {} } = identity ?? {};
    process.stdout.write(
      `${jsonDocument({ name, output, spec, inputs, path: path ?? null, place: place ?? null, store: store ?? null, successes: history, executions, keptScratch: kept, reproducibility })}\n`,
    );
    return EXIT.done;
  }
  const now = Date.now();
  const rows: [string, string][] = [];
  if (success === undefined) rows.push(["made", "not yet"]);
  else {
    const size = `${count(success.files, "file")}, ${bytes(success.sizeBytes)}`;
    rows.push(["tree", `${shortId(success.treeDigest)}…, ${size}`]);
    rows.push(["store", place === undefined ? whereNot(success, store) : herePath(place, context.cwd)]);
    if (path !== undefined && path !== place) rows.push(["copy", herePath(path, context.cwd)]);
  }
  if (identity !== undefined) for (const row of specRows(identity.spec)) rows.push(row);
  if (identity !== undefined) rows.push(["inputs", await inputsText(record, identity.inputs)]);
  if (success !== undefined && execution !== undefined)
    rows.push(["made", await madeText(record, success, execution, now)]);
  if (reproducibility !== undefined) rows.push(["verified", timesText(reproducibility)]);
  const last = executions[0];
  if (last?.outcome === "failure") {
    rows.push([
      "failed",
      `${date(last.startedAt, now)}: ${last.failure?.message ?? "failed"} (attempt ${last.attempt})`,
    ]);
  }
  for (const { scratch } of kept) rows.push(["kept", herePath(scratch, context.cwd)]);
  for (const before of history.filter(({ id }) => id !== success?.id))
    rows.push(["before", await beforeText(stores, before, now)]);
  const lines = table(rows.filter(([, text]) => text !== "")).map((line) => `  ${line}`);
  process.stdout.write(`${[`${visible(name)} · output ${longId(output)}`, ...lines].join("\n")}\n`);
  return EXIT.done;
}

function specRows(spec: BnormalMap): [string, string][] {
  return Object.entries(spec).map(([key, value]): [string, string] => {
    if (key === "sha") return ["code", `sha ${valueText(value)}`];
    if (key === "files") return ["files", Object.keys(value as BnormalMap).join(", ")];
    if (key === "source") return ["source", sourceText(value)];
    if (key === "command" && Array.isArray(value))
      return ["command", value.map((word) => valueText(word)).join(" ")];
    return [key, valueText(value, 100)];
  });
}

/** `{"2020.csv":"6f09d…"}`; from S3 `s3://bucket/key by version 3HL4kqt`, of several objects each beside its path. */
function sourceText(source: Bnormal): string {
  const entries = typeof source === "object" ? Object.entries(source as BnormalMap) : [];
  const texts = entries.map(([path, digest]) => [path, s3DigestText(valueText(digest, Infinity))] as const);
  if (texts.every(([, text]) => text === undefined)) return valueText(source, 100);
  const [only] = texts;
  if (only?.[0] === "") return only[1]!;
  return valueText(texts.map(([path, text = "by content"]) => `${path}: ${text}`).join(", "), 200);
}

/** `blur 4df7200d, edge_enhance 7a764d98` */
async function inputsText(record: RecordDb, inputs: Readonly<Record<string, OutputId>>): Promise<string> {
  const names = Object.entries(inputs).map(async ([dependency, output]) => {
    const name = await nameOf(record, output);
    return `${dependency}${name === dependency || name === shortId(output) ? "" : ` (${name})`} ${shortId(output)}`;
  });
  return (await Promise.all(names)).join(", ") || "none";
}

/** `23 Nov 09:20:11 on node3 by root, 0.3 s, 1 cpu, 212 MB, run 13` */
async function madeText(
  record: RecordDb,
  success: Success,
  execution: Execution,
  now: number,
): Promise<string> {
  const { host, user, startedAt, endedAt, resources, isolation, attempt } = execution;
  const tookMs = (endedAt ?? startedAt) - startedAt;
  const cpuMs = (resources.userMs ?? 0) + (resources.systemMs ?? 0);
  const run = await record.run(execution.run);
  return [
    `${date(success.madeAt, now, true)} on ${host} by ${user}`,
    duration(tookMs),
    ...(resources.userMs === undefined ? [] : [`${duration(cpuMs)} of cpu`]),
    ...(resources.maxRssBytes === undefined ? [] : [bytes(resources.maxRssBytes)]),
    isolation === "none" ? "unsandboxed" : isolation,
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(run === undefined ? [] : [`run ${run.number}`]),
    ...(success.stale ? ["stale: its inputs have since been remade with other bytes"] : []),
  ].join(", ");
}

/** `tree 566a13d4 (23 Nov 09:14), still in the store` */
async function beforeText(store: Stores, before: Success, now: number): Promise<string> {
  const [there] = await store.present([before]);
  return `tree ${shortId(before.treeDigest)} (${date(before.madeAt, now)}), ${there ? "still in the store" : before.state}`;
}

async function showRun(run: Run, record: RecordDb, json: boolean): Promise<number> {
  const executions = await record.executionsOf(run.id);
  if (json) {
    process.stdout.write(`${jsonDocument({ ...run, executions })}\n`);
    return EXIT.done;
  }
  const now = Date.now();
  const end = await endText(record, run);
  const { ran, same, reused, failed, notStarted } = run.counts;
  const tasks = ran + same + reused + failed + notStarted;
  const rows = [
    ["asked for", run.goals.join(", ")],
    [
      "with",
      Object.entries(run.params)
        .map(([name, value]) => `${name} ${value}`)
        .join(", "),
    ],
    ["began", `${date(run.startedAt, now, true)} on ${run.host} by ${run.user}`],
    [
      "ended",
      end !== ""
        ? end
        : `${run.status}: ${summaryLine({ ...run.counts, tasks, durationMs: (run.endedAt ?? now) - run.startedAt })}`,
    ],
    ["note", run.note],
    ["plan", longId(run.planDigest)],
  ].filter(([, text]) => text !== "");
  const lines = table(rows as string[][]).map((line) => `  ${line}`);
  process.stdout.write(`${[`run ${run.number} of ${run.pipeline} · ${run.id}`, ...lines].join("\n")}\n`);
  const shown = executions.slice(0, MOST_TASKS).map((execution) => {
    const { outcome, task, attempt, startedAt, endedAt, failure } = execution;
    const sign = outcome === "success" ? "●" : outcome === "failure" ? "✗" : "◐";
    const took = endedAt === undefined ? "" : duration(endedAt - startedAt);
    return [
      `  ${sign} ${pad(task, 12)}`,
      took,
      [...(attempt > 1 ? [`attempt ${attempt}`] : []), failure?.message ?? ""].join(" ").trim(),
    ];
  });
  if (shown.length > 0) process.stdout.write(`${table(shown, [1]).join("\n")}\n`);
  if (executions.length > MOST_TASKS)
    process.stdout.write(`  and ${executions.length - MOST_TASKS} more: alamode show ${run.number} --json\n`);
  return EXIT.done;
}

/** Why there is no place to show. `store`: what the project calls the one it is in, if it knows it. */
function whereNot({ store: id }: Success, store: string | undefined): string {
  return store === undefined
    ? `${id}, which this project does not name (stores, in alamode.config.ts)`
    : "its bytes are gone";
}
