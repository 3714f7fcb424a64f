// A store and a record in a folder of the test's own, runs whose events are kept, and gates at which tasks wait for
// the test: nothing here is ordered by time.
import { spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, realpathSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Bmap } from "../../src/bencode/types.ts";
import type { RunEvent } from "../../src/engine/events.ts";
import { type RunOptions, type RunResult, run } from "../../src/engine/run.ts";
import { type Status, type StatusOptions, status } from "../../src/engine/status.ts";
import { Dag } from "../../src/plan/dag.ts";
import type { OutputId, Plan } from "../../src/plan/types.ts";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import type { RecordDb } from "../../src/record/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { removeTree } from "../../src/store/remove.ts";
import { Stores } from "../../src/store/stores.ts";
import type { Store } from "../../src/store/types.ts";

export type EventOf<Name extends RunEvent["event"]> = Extract<RunEvent, { event: Name }>;

/** A run that is over, and what it told. */
export interface Told extends RunResult {
  readonly events: readonly RunEvent[];
  /** All events of one name, in order. */
  of<Name extends RunEvent["event"]>(name: Name): EventOf<Name>[];
  /** Tasks that ran, in the order in which they ended. */
  readonly ranTasks: readonly string[];
  /** Codes of the warnings, in order. */
  readonly warned: readonly string[];
}

export type Asked = Partial<Omit<RunOptions, "record" | "store">>;

export interface Rig {
  /** A folder for whatever the test needs; store and record lie below it. */
  readonly dir: string;
  readonly storeDir: string;
  readonly recordFile: string;
  readonly store: Store;
  readonly record: RecordDb;
  run(plan: Plan, options?: Asked): Promise<Told>;
  status(plan: Plan, options?: Omit<StatusOptions, "record" | "store">): Promise<Status>;
  /** What a task made, which is one file. */
  text(plan: Plan, task: string): Promise<string>;
  /** Absolute path of what stands for a task's output. */
  place(plan: Plan, task: string): Promise<string>;
  gate(name: string): Gate;
}

/** Opens everything in a new folder; all of it goes with the test. Store, folder and record may be others, which are left then. */
export async function openRig(
  t: Pick<TestContext, "after">,
  dir = scratch(t),
  storeDir = join(dir, "store"),
  openRecord: (dir: string) => Promise<RecordDb> = () => openSqliteRecord(join(dir, "record.db")),
): Promise<Rig> {
  const recordFile = join(dir, "record.db");
  const store = await openFolderStore(storeDir);
  const record = await openRecord(dir);
  t.after(async () => {
    await record.close();
    await store.close();
  });
  const place = async (plan: Plan, task: string) => {
    const { output } = plan.tasks[task]!;
    return (await new Stores(store).stage((await record.successes([output])).get(output)!)).path;
  };
  return {
    dir,
    storeDir,
    recordFile,
    store,
    record,
    run: (plan, options = {}) => runToEnd(plan, { record, store, jobs: 2, ...options }),
    status: (plan, options = {}) => status(plan, { record, store, ...options }),
    place,
    text: async (plan, task) => readFileSync(await place(plan, task), "utf8"),
    gate: (name) => new Gate(t, join(dir, name)),
  };
}

/** Runs a plan and keeps what it tells. */
export async function runToEnd(plan: Plan, options: RunOptions): Promise<Told> {
  const events: RunEvent[] = [];
  const result = await run(plan, {
    ...options,
    onEvent(event) {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  return told(result, events);
}

function told(result: RunResult, events: readonly RunEvent[]): Told {
  const of = <Name extends RunEvent["event"]>(name: Name) =>
    events.filter((event): event is EventOf<Name> => event.event === name);
  return {
    ...result,
    events,
    of,
    ranTasks: of("task.ran").map(({ task }) => task),
    warned: of("warning").map(({ code }) => code),
  };
}

/** A new folder, removed after the test. */
export function scratch(t: Pick<TestContext, "after">): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-engine-")));
  t.after(() => removeTree(dir));
  return dir;
}

/**
 * A plan from task → [spec, ...names of the tasks it depends on]. A spec given as text is a command; `options` belong to
 * `meta`, by task.
 */
export function planOf(
  tasks: Readonly<Record<string, string | readonly [string | Bmap, ...string[]]>>,
  options: Readonly<Record<string, Bmap>> = {},
): Plan {
  const dag = new Dag();
  for (const [name, task] of Object.entries(tasks)) {
    const [spec] = typeof task === "string" ? [task] : task;
    dag.task(name, typeof spec === "string" ? { command: spec } : spec, options[name] ?? {});
  }
  for (const [name, task] of Object.entries(tasks)) {
    if (typeof task !== "string")
      for (const other of task.slice(1)) dag.tasks[name]!.after(dag.tasks[other as string]!);
  }
  return dag.encode();
}

export function outputOf(plan: Plan, task: string): OutputId {
  return plan.tasks[task]!.output;
}

/** A place in a task's command at which it tells the test that it is there, and waits to be let through. */
export class Gate {
  readonly #reached: string;
  readonly #opened: string;

  constructor(t: Pick<TestContext, "after">, path: string) {
    this.#reached = `${path}.reached`;
    this.#opened = `${path}.opened`;
    const made = spawnSync("mkfifo", [this.#reached, this.#opened], { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`mkfifo: ${made.stderr}`);
    // Whoever still waits at a FIFO, here or in a task, is let go: a failed test must end too.
    t.after(() => {
      for (const fifo of [this.#reached, this.#opened]) {
        if (existsSync(fifo)) closeSync(openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK));
      }
    });
  }

  /** Shell words: tell, then wait. What `reached` resolves to is `says`, e.g. `$$`. */
  command(says = "x"): string {
    return `echo ${says} > '${this.#reached}'; read x < '${this.#opened}'`;
  }

  /** Resolves to what the task said once it has come here. */
  async reached(): Promise<string> {
    return (await readFile(this.#reached, "utf8")).trim();
  }

  async open(): Promise<void> {
    await writeFile(this.#opened, "x\n");
  }
}

/** Whether the process runs; a zombie does not. */
export function alive(pid: number): boolean {
  if (process.platform !== "linux") {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

/** Resolves when `holds` does. It is asked again and again: for what no event tells of, such as another's child's end. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(5);
}
