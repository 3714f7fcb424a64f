// alamode ls: what is made of the pipeline, or the files of one output.

import { fileURLToPath } from "node:url";
import { jsonLine } from "../../bencode/as-json.ts";
import { clip } from "../../plan/clip.ts";
import { graphOf } from "../../plan/graph.ts";
import type { OutputId, Plan } from "../../plan/types.ts";
import type { Execution, RecordDb, Success } from "../../record/types.ts";
import type { Stores } from "../../store/stores.ts";
import { decodeTree } from "../../store/tree.ts";
import type { TreeEntry } from "../../store/types.ts";
import { type CommonOptions, type Context, contextOf, withBoth } from "../context.ts";
import { EXIT, tell } from "../errors.ts";
import { bytes, date, duration, herePath, nameText, shortId, table, width } from "../format.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { findOutput, notMade } from "../lookup.ts";
import { columnsOf } from "../view.ts";

/** Names are cut to no less than so many columns. */
const LEAST_NAME = 12;

export interface LsFlags extends CommonOptions {
  readonly tasks?: boolean;
}

export async function lsCommand(what: string | undefined, options: LsFlags): Promise<number> {
  const context = await contextOf(options);
  if (what !== undefined) return files(context, what);
  const { plan } = await loadPipeline(context);
  const names = inOrder(plan);
  if (options.tasks) {
    process.stdout.write(names.map((name) => `${options.json ? jsonLine({ task: name }) : name}\n`).join(""));
    return EXIT.done;
  }
  return withBoth({ ...context, look: true }, async ({ record, store: stores }) => {
    const made = await madeOf({ record, stores }, plan, names);
    // Where all lies in the project's own store, nobody would miss its name.
    const several = made.some(({ madeAt, store }) => madeAt !== undefined && store !== stores.main.url);
    if (options.json) {
      process.stdout.write(made.map((entry) => `${jsonLine(entry)}\n`).join(""));
      return EXIT.done;
    }
    const now = Date.now();
    const rows = made.map(({ task, output, madeAt, tookMs, sizeBytes, run, stale, store }) =>
      madeAt === undefined
        ? [nameText(task), shortId(output), "not made"]
        : [
            nameText(task),
            shortId(output),
            date(madeAt, now),
            tookMs === undefined ? "" : duration(tookMs),
            bytes(sizeBytes ?? 0),
            `run ${run ?? "?"}${stale ? ", stale" : ""}`,
            ...(several ? [store === undefined ? "unknown" : placeText(store, context.cwd)] : []),
          ],
    );
    const all = [["task", "output", "made", "took", "size", "by", ...(several ? ["store"] : [])], ...rows];
    process.stdout.write(`${fitting(all, [3, 4]).join("\n")}\n`);
    return EXIT.done;
  });
}

/** The table of rows that begin with a name; on a terminal names are cut where they would break the lines. */
function fitting(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const whole = table(rows, right);
  if (process.stdout.isTTY !== true) return whole;
  const widest = (lines: readonly string[]) => lines.reduce((most, line) => Math.max(most, width(line)), 0);
  const over = widest(whole) - columnsOf(process.stdout);
  if (over <= 0) return whole;
  const columns = Math.max(LEAST_NAME, widest(rows.map(([name = ""]) => name)) - over);
  return table(
    rows.map(([name = "", ...cells]) => [clip(name, columns), ...cells]),
    right,
  );
}

/** Dependencies before dependents. */
function inOrder(plan: Plan): string[] {
  const graph = graphOf(plan);
  return [...graph.order].flatMap((node) => graph.names(node));
}

interface Made {
  readonly task: string;
  readonly output: OutputId;
  readonly madeAt?: number;
  readonly tookMs?: number;
  readonly sizeBytes?: number;
  readonly files?: number;
  readonly treeDigest?: string;
  /** Number of the run that made it. */
  readonly run?: number;
  readonly stale?: boolean;
  /** The store's name here, or its URL; absent where nobody here knows it. */
  readonly store?: string;
}

interface Both {
  readonly record: RecordDb;
  readonly stores: Stores;
}

/** `team`, `s3://bucket/prefix`, or a folder's path. */
function placeText(store: string, cwd: string): string {
  return herePath(store.startsWith("file://") ? fileURLToPath(store) : store, cwd);
}

async function madeOf({ record, stores }: Both, plan: Plan, names: readonly string[]): Promise<Made[]> {
  const successes = await record.successes([...new Set(names.map((name) => plan.tasks[name]!.output))]);
  const executions = await record.executionsNamed([
    ...new Set(successes.values().map(({ execution }) => execution)),
  ]);
  const made: Made[] = [];
  for (const task of names) {
    const { output } = plan.tasks[task]!;
    const success = successes.get(output);
    made.push({
      task,
      output,
      ...(success === undefined ? {} : await detailsOf(stores, success, executions.get(success.execution))),
    });
  }
  return made;
}

async function detailsOf(
  stores: Stores,
  success: Success,
  execution: Execution | undefined,
): Promise<Omit<Made, "task" | "output">> {
  const { madeAt, sizeBytes, files, treeDigest, stale } = success;
  const store = await stores.called(success.store);
  const known = { madeAt, sizeBytes, files, treeDigest, stale, ...(store === undefined ? {} : { store }) };
  if (execution === undefined) return known;
  const { runNumber, startedAt, endedAt } = execution;
  return {
    ...known,
    ...(endedAt === undefined ? {} : { tookMs: endedAt - startedAt }),
    run: runNumber,
  };
}

async function files(context: Context, what: string): Promise<number> {
  return withBoth({ ...context, look: true }, async ({ record }) => {
    const { output, name } = await findOutput(context, record, what, "ls");
    const success = (await record.successes([output])).get(output);
    if (success === undefined) {
      tell(notMade(context, name), context.options.json === true);
      return EXIT.failed;
    }
    const tree = decodeTree(await record.tree(success.treeDigest));
    const entries = [...tree].map(([path, entry]) => ({ path: path === "" ? name : path, ...entry }));
    process.stdout.write(
      context.options.json
        ? entries.map((entry) => `${jsonLine(entry)}\n`).join("")
        : table(
            entries.map((entry) => [...entryText(entry), entry.path]),
            [0],
          )
            .map((line) => `${line}\n`)
            .join(""),
    );
    return EXIT.done;
  });
}

/** Size and kind. */
function entryText(entry: TreeEntry): [string, string] {
  switch (entry.kind) {
    case "file":
      return [bytes(entry.size), entry.executable ? "program" : ""];
    case "folder":
      return ["", "folder"];
    case "link":
      return ["", `link to ${entry.target}`];
    default:
      return entry satisfies never;
  }
}
