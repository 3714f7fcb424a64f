// alamode push and pull: copies what is made to another store and record, or from there.
import { resolve } from "node:path";
import { jsonLine } from "../../bencode/as-json.ts";
import { type Ends, type Transferred, transfer, transferredBefore } from "../../engine/transfer.ts";
import { AlamodeError } from "../../errors.ts";
import { graphOf } from "../../plan/graph.ts";
import type { Plan } from "../../plan/types.ts";
import { isUrl, openRecord, recordExists, shownPlace } from "../../project.ts";
import type { RecordDb } from "../../record/types.ts";
import { Stores } from "../../store/stores.ts";
import type { Store } from "../../store/types.ts";
import {
  type CommonOptions,
  type Context,
  contextOf,
  type Opened,
  refuseFolder,
  withBoth,
} from "../context.ts";
import { EXIT } from "../errors.ts";
import { bytes, count, nameText, visible } from "../format.ts";
import { selectedGoals } from "../goals.ts";
import { loadPipeline } from "../load-pipeline.ts";

export interface PushFlags extends CommonOptions {
  readonly to: string;
  readonly toRecord?: string;
}

export interface PullFlags extends CommonOptions {
  readonly from: string;
  readonly fromRecord?: string;
}

export async function pushCommand(patterns: readonly string[], options: PushFlags): Promise<number> {
  return copyAll(patterns, options, {
    command: "push",
    store: options.to,
    record: options.toRecord,
    ends: ({ store: stores, record }, there) => ({ from: { record, stores }, to: there }),
  });
}

export async function pullCommand(patterns: readonly string[], options: PullFlags): Promise<number> {
  return copyAll(patterns, options, {
    command: "pull",
    store: options.from,
    record: options.fromRecord,
    ends: ({ store: stores, record }, there) => ({
      from: { record: there.record, stores: new Stores(there.store) },
      to: { record, store: stores.main },
    }),
  });
}

interface Direction {
  readonly command: "push" | "pull";
  /** The other store, and the other record: the project's own if undefined. */
  readonly store: string;
  readonly record: string | undefined;
  ends(here: Opened, there: { readonly store: Store; readonly record: RecordDb }): Ends;
}

async function copyAll(
  patterns: readonly string[],
  options: CommonOptions,
  direction: Direction,
): Promise<number> {
  const context = await contextOf(options);
  const { plan } = await loadPipeline(context);
  const tasks = selectedGoals(plan, patterns, direction.command) ?? Object.keys(plan.tasks);
  return withBoth(context, async (here) => {
    const place = placeOf(direction.store, context);
    const store = await here.store.named(place);
    if (direction.command === "push" && direction.record === undefined) refuseUnnamed(store, place, here);
    const other =
      direction.record === undefined ? undefined : await otherRecord(direction.record, context, direction);
    try {
      const ends = direction.ends(here, { store, record: other ?? here.record });
      return await copyEach(inOrder(plan, tasks), plan, ends, context);
    } finally {
      await other?.close();
    }
  });
}

/** A name or a URL as it is, a folder from here. */
function placeOf(store: string, { cwd, settings }: Context): string {
  return isUrl(store) || Object.hasOwn(settings.stores ?? {}, store) ? store : resolve(cwd, store);
}

/** Within one record outputs are moved: where nobody would look for them again they would count as gone. */
function refuseUnnamed(store: Store, place: string, { store: stores }: Opened): void {
  if (store === stores.main || stores.names.includes(place)) return;
  throw new AlamodeError(
    "unknown-store",
    `outputs would be moved to ${shownPlace(place)}, which this project does not name`,
    {
      hint: `Name it in alamode.config.ts:  stores: { team: '${shownPlace(place)}' }\nOr say which other record is to know of them:  --to-record RECORD`,
    },
  );
}

async function otherRecord(record: string, { cwd }: Context, { command }: Direction): Promise<RecordDb> {
  const place = isUrl(record) ? record : resolve(cwd, record);
  refuseFolder(place, cwd);
  if (command === "pull" && !recordExists({ record: place })) {
    throw new AlamodeError("no-record", `there is no record ${shownPlace(record)}`, {
      hint: "Name the one that knows of what lies in that store.",
    });
  }
  return openRecord(place);
}

/** Dependencies before dependents; of tasks with one output the first. */
function inOrder(plan: Plan, tasks: readonly string[]): string[] {
  const graph = graphOf(plan);
  const wanted = new Set(tasks.map((task) => graph.nodeOf(task)));
  return [...graph.order].flatMap((node) => (wanted.has(node) ? graph.names(node).slice(0, 1) : []));
}

const THERE = { kind: "there" } as const satisfies Transferred;

async function copyEach(
  tasks: readonly string[],
  plan: Plan,
  ends: Ends,
  { options }: Context,
): Promise<number> {
  const stop = new AbortController();
  const interrupted = () => stop.abort(new AlamodeError("interrupted", "was stopped"));
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  const counts = { copied: 0, noted: 0, there: 0, left: 0 };
  let sizeBytes = 0;
  try {
    const outputs = tasks.map((task) => plan.tasks[task]!.output);
    const before = await transferredBefore(outputs, ends);
    for (const task of tasks) {
      const { output } = plan.tasks[task]!;
      const became = before.has(output) ? THERE : await transfer(output, ends, stop.signal);
      counts[became.kind]++;
      if (became.kind === "copied") sizeBytes += became.sizeBytes;
      if (options.json) process.stdout.write(`${jsonLine({ task, output, ...became })}\n`);
      else if (became.kind !== "there") process.stdout.write(`${line(task, became)}\n`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write("stopped: the same call goes on from here\n");
    return EXIT.interrupted;
  } finally {
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  }
  const { copied, noted, there, left } = counts;
  if (!options.json) {
    const parts = [`${copied} copied (${bytes(sizeBytes)})`, `${there + noted} there`];
    if (left > 0) parts.push(`${left} left`);
    process.stderr.write(`${count(tasks.length, "output")}: ${parts.join(", ")}\n`);
  }
  return left === 0 ? EXIT.done : EXIT.failed;
}

function line(task: string, became: Exclude<Transferred, { kind: "there" }>): string {
  switch (became.kind) {
    case "copied":
      return `● ${nameText(task)}  ${bytes(became.sizeBytes)}`;
    case "noted":
      return `● ${nameText(task)}  noted: its bytes are there`;
    case "left":
      return `○ ${nameText(task)}  left: ${visible(became.because)}`;
    default:
      return became satisfies never;
  }
}
