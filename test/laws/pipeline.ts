// One pipeline in a store and a record of its own, beside the model of what should become of it: performs histories, and
// holds the one against the other after each run.
import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunEvent } from "../../src/engine/events.ts";
import { type RunResult, run } from "../../src/engine/run.ts";
import { type Status, status } from "../../src/engine/status.ts";
import { verifyStored } from "../../src/engine/verify-stored.ts";
import { graphOf } from "../../src/plan/graph.ts";
import type { Plan } from "../../src/plan/types.ts";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import type { RecordDb } from "../../src/record/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { removeTree } from "../../src/store/remove.ts";
import type { Store } from "../../src/store/types.ts";
import { OtherRun } from "../engine/other-run.ts";
import type { TriedRecord } from "./fault-laws.ts";
import type { Command, History, Misfortune, RunCommand } from "./histories.ts";
import { rowsOf } from "./record-rows.ts";
import { type Disk, digestOf, type Made, type Node, Rules, type Told } from "./rules.ts";
import { edited, meaning, planOfSketch, type Sketch, TICK } from "./sketch.ts";

const IN_A_FILE: TriedRecord = {
  open: (dir) => openSqliteRecord(join(dir, "record.db")),
  rows: (dir) => rowsOf(join(dir, "record.db")),
};

/** Performs a history; throws an assertion error where a law is broken. Runs in processes of their own have a record in a file. */
export async function performHistory({ sketch, commands }: History, tried = IN_A_FILE): Promise<void> {
  const pipeline = await Pipeline.open(sketch, tried);
  try {
    for (const command of commands) await pipeline.perform(command);
    await pipeline.perform({ do: "run", goals: 0, force: false, keepGoing: true, jobs: 2, tick: 0 });
  } finally {
    await pipeline.close();
  }
}

class Pipeline {
  #sketch: Sketch;
  readonly #dir: string;
  readonly #store: Store;
  readonly #record: RecordDb;
  readonly #tried: TriedRecord;
  #rules: Rules;
  /** Every node of every plan there was. */
  readonly #nodes = new Map<string, Node>();
  /** Tree digest → content, of all that was ever made. */
  readonly #contents = new Map<string, string>();

  private constructor(sketch: Sketch, dir: string, store: Store, record: RecordDb, tried: TriedRecord) {
    this.#sketch = sketch;
    this.#dir = dir;
    this.#store = store;
    this.#record = record;
    this.#tried = tried;
    this.#rules = this.#newRules();
  }

  static async open(sketch: Sketch, tried: TriedRecord): Promise<Pipeline> {
    const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-laws-")));
    const store = await openFolderStore(join(dir, "store"));
    return new Pipeline(sketch, dir, store, await tried.open(dir), tried);
  }

  /** By a heartbeat nothing that lies at a location is moved aside for another. */
  #newRules(): Rules {
    return new Rules({ movesAside: this.#record.leases !== "heartbeat" });
  }

  async close(): Promise<void> {
    await this.#record.close();
    await this.#store.close();
    await removeTree(this.#dir);
  }

  async perform(command: Command): Promise<void> {
    switch (command.do) {
      case "edit":
        this.#sketch = edited(this.#sketch, command);
        return;
      case "run":
        return this.#run(command);
      case "slay":
        return this.#slay(command.afterStarts, command.tick);
      default:
        return this.#befall(command);
    }
  }

  async #run({ goals: bits, force, keepGoing, jobs, tick, killAt }: RunCommand): Promise<void> {
    const plan = this.#plan();
    const chosen = this.#sketch.filter((_, place) => bits & (1 << place)).map(({ name }) => name);
    const goals = chosen.length === 0 ? graphOf(plan).goals() : chosen;
    const forced = force && chosen.length > 0 ? goals : [];
    const expected = await status(plan, {
      record: this.#record,
      store: this.#store,
      goals,
      force: forced,
    });

    const stop = new AbortController();
    const events: RunEvent[] = [];
    const result = await run(plan, {
      record: this.#record,
      store: this.#store,
      goals,
      force: forced,
      keepGoing,
      jobs,
      callerEnv: { [TICK]: String(tick) },
      signal: stop.signal,
      kill: stop.signal,
      onEvent(event) {
        if (events.push(event) === killAt) stop.abort();
      },
    });
    if (stop.signal.aborted) return this.#catchUp();

    const outputs = goals.map((goal) => plan.tasks[goal]!.output as string);
    const told = this.#rules.run({
      nodes: this.#nodes,
      goals: outputs,
      force: new Set(forced.map((task) => plan.tasks[task]!.output)),
      tick: String(tick),
    });
    assert.equal(result.status, told.failed.length === 0 ? "done" : "failed");
    if (!told.raced && (told.failed.length === 0 || keepGoing)) {
      this.#compareRun(events, told);
      compareStatus(plan, expected, told);
      this.#compareRecord();
    } else this.#catchUp();
    this.#checkGenerations();
    if (result.status === "done") await this.#checkGoals(goals, plan, result);
  }

  /** The run executed just what the rules ask for. */
  #compareRun(events: readonly RunEvent[], told: Told): void {
    const outputsOf = (name: RunEvent["event"]) =>
      events.flatMap((event) => (event.event === name && "output" in event ? [event.output] : [])).sort();
    assert.deepEqual(this.#names(outputsOf("task.ran")), this.#names(told.ran), "what ran");
    assert.deepEqual(this.#names(outputsOf("task.same")), this.#names(told.same), "what was the same");
  }

  /** The record says of every output what the model does. */
  #compareRecord(): void {
    const line = (made: Omit<Made, "inputs" | "bytes" | "key" | "original">, rest: readonly unknown[]) =>
      [this.#name(made.output), made.digest.slice(0, 8), made.location.slice(3), made.state, ...rest].join(
        " ",
      );
    const { successes } = this.#tried.rows(this.#dir);
    const there = successes.map((row) =>
      line(row as never, [row.alias_of === null ? "original" : "alias", row.stale ? "stale" : "valid"]),
    );
    const expected = this.#rules.successes.map((made) => {
      this.#contents.set(made.digest, made.bytes);
      return line(made, [made.original ? "alias" : "original", this.#rules.stale(made) ? "stale" : "valid"]);
    });
    assert.deepEqual(there.sort(), expected.sort(), "the successes in the record");
  }

  /** What stands and is valid is what its task makes of what stands for its inputs: one generation of each output. */
  #checkGenerations(): void {
    for (const [output, made] of this.#rules.standing) {
      if (made.state !== "current" || this.#rules.stale(made)) continue;
      const { task, inputs } = this.#nodes.get(output)!;
      const joined = inputs.map(([, input]) => this.#rules.standing.get(input)!.bytes).join("");
      const tick = / planted (\d+)\n/.exec(made.bytes)?.[1] ?? "";
      assert.equal(made.bytes, meaning(task, joined, tick), `${this.#name(output)} of one generation`);
    }
  }

  /** The goals hold what the same plan makes in an empty store, as far as its tasks are deterministic. */
  async #checkGoals(goals: readonly string[], plan: Plan, result: RunResult): Promise<void> {
    for (const goal of goals) {
      const output = plan.tasks[goal]!.output;
      const made = this.#rules.current(output)!;
      // Changed for all to see, but neither read by any task nor verified: nobody has looked.
      if (this.#rules.disk.get(made.location) !== made.bytes) continue;
      const there = readFileSync(await result.path(goal), "utf8");
      const naive = this.#naive(output);
      assert.equal(there, naive ?? made.bytes, `bytes of ${goal}`);
    }
  }

  /** Undefined where anything above is not deterministic. */
  #naive(output: string): string | undefined {
    const { task, inputs } = this.#nodes.get(output)!;
    const read = inputs.map(([, input]) => this.#naive(input));
    if (task.kind === "planted" || read.includes(undefined)) return undefined;
    return meaning(task, read.join(""), "");
  }

  async #befall({ do: what, which }: Misfortune): Promise<void> {
    const places = [...this.#rules.disk].filter(([, bytes]) => bytes !== null).map(([location]) => location);
    if (places.length === 0) return;
    const path = join(this.#dir, "store/outputs", places.sort()[which % places.length]!);
    const { atime, mtime } = lstatSync(path);
    if (what === "delete") rmSync(path);
    else if (what === "touch") utimesSync(path, 1, 1);
    else {
      chmodSync(path, 0o644);
      writeFileSync(path, readFileSync(path, "utf8").replace(/^./, "#"));
      chmodSync(path, 0o444);
      if (what === "damage") utimesSync(path, 1, 1);
      else {
        utimesSync(path, atime, mtime);
        await verifyStored({ record: this.#record, store: this.#store });
        return this.#catchUp();
      }
    }
    this.#rules.disk = this.#readDisk();
  }

  /** A run of its own process, killed with SIGKILL. */
  async #slay(afterStarts: number, tick: number): Promise<void> {
    const rig = {
      dir: this.#dir,
      storeDir: join(this.#dir, "store"),
      recordFile: join(this.#dir, "record.db"),
    };
    const other = new OtherRun(rig, this.#plan(), { callerEnv: { [TICK]: String(tick) }, keepGoing: true });
    await Promise.race([
      other.tells("task.started", afterStarts).catch(() => {}),
      other.over.catch(() => {}),
    ]);
    await other.kill();
    this.#catchUp();
    this.#checkGenerations();
  }

  #plan(): Plan {
    const plan = planOfSketch(this.#sketch);
    for (const task of this.#sketch) {
      const planned = plan.tasks[task.name]!;
      const inputs = Object.entries(planned.inputs).sort(([a], [b]) => (a < b ? -1 : 1));
      this.#nodes.set(planned.output, { task, planned, inputs });
    }
    return plan;
  }

  /** Where it cannot be foretold how far something came, the model goes on from what the record and the store hold now. */
  #catchUp(): void {
    const rules = this.#newRules();
    rules.disk = this.#readDisk();
    const { successes, inputs } = this.#tried.rows(this.#dir);
    const byId = new Map<number, Made>();
    for (const { id, output, alias_of, digest, key, location, state, stands } of successes) {
      const bytes = this.#contents.get(digest) ?? rules.disk.get(location);
      assert.equal(digestOf(bytes!), digest, `the bytes of ${this.#name(output)} are what its success says`);
      this.#contents.set(digest, bytes!);
      const made: Made = {
        output,
        key,
        digest,
        bytes: bytes!,
        location,
        state,
        inputs: inputs.filter(({ success_id }) => success_id === id),
        ...(alias_of === null ? {} : { original: byId.get(alias_of)! }),
      };
      byId.set(id, made);
      rules.successes.push(made);
      if (stands) rules.standing.set(output, made);
    }
    this.#rules = rules;
    for (const [i, made] of rules.successes.entries())
      assert.equal(successes[i]!.stale === 1, rules.stale(made), `${this.#name(made.output)}: stale`);
  }

  #readDisk(): Disk {
    const disk: Disk = new Map();
    const outputs = join(this.#dir, "store/outputs");
    for (const folder of readdirSync(outputs)) {
      for (const name of readdirSync(join(outputs, folder))) {
        const path = join(outputs, folder, name);
        if (name.includes(".aside-")) continue;
        disk.set(`${folder}/${name}`, lstatSync(path).isSymbolicLink() ? null : readFileSync(path, "utf8"));
      }
    }
    return disk;
  }

  #name(output: string): string {
    return `${this.#nodes.get(output)!.task.name}:${output.slice(0, 6)}`;
  }

  #names(outputs: readonly string[]): string[] {
    return outputs.map((output) => this.#name(output)).sort();
  }
}

/** What was told before the run is what the run then did. */
function compareStatus(plan: Plan, { due, same }: Status, told: Told): void {
  const ran = new Set([...told.ran, ...told.failed]);
  const listed = new Set<string>(due.map(({ output }) => output));
  for (const output of ran)
    assert.ok(listed.has(output) || told.late.has(output), `${output} ran, and status did not tell`);
  for (const { output } of same)
    assert.ok(!ran.has(output) || told.late.has(output), `${output} ran, and status told that it would not`);
  // Below what fails nothing is started, and nothing is known.
  if (told.failed.length === 0) {
    const others = [...listed].filter((output) => !ran.has(output) && !told.same.includes(output));
    for (const output of others) assert.ok(told.reused.includes(output), `${output} was told as due`);
  }
  const places = new Map(due.map(({ output }, place) => [output, place]));
  for (const { task, output } of due)
    for (const input of Object.values(plan.tasks[task]!.inputs))
      assert.ok((places.get(input) ?? -1) < places.get(output)!, "told in the order of the dependencies");
}
