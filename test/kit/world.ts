// What a claim is tried on: a store, a record, and engines called as commands. It looks at what they leave, and at nothing
// within them: the record by SQL, the store by docs/FORMAT.md.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { Dag } from "../../src/plan/dag.ts";
import { graphOf } from "../../src/plan/graph.ts";
import { decodePlan } from "../../src/plan/load.ts";
import { hashTree } from "../../src/store/hash.ts";
import { readReceipts } from "../../src/store/receipts.ts";
import { removeTree } from "../../src/store/remove.ts";
import { cliEnv, cliMain, cliNode } from "../cli-runner.ts";
import { type Recorded, recorded } from "../faults/record-copy.ts";

/** Words of a command, parted by blanks: `{store}`, `{record}`, `{plan}` are replaced, `{goals}` by any number of words. */
export type EngineCommand = string;

/** The bundled engine, which makes store and record, and that every other has to get on with. */
export const BUNDLED: EngineCommand = `${cliNode} ${cliMain} run --store {store} --record {record} -f {plan} {goals}`;

const HANG_MS = 120_000;
const POLL_MS = 10;

export interface Ended {
  readonly code: number | null;
  readonly printed: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What was printed so far. */
  printed(): string;
  /** SIGKILL to the engine's own process, and to nothing that it started. */
  kill(): Promise<Ended>;
}

export class World {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-kit-")));
  readonly store = join(this.dir, "store");
  readonly record = join(this.dir, "record.db");
  readonly #engine: EngineCommand;
  readonly #running = new Set<ChildProcess>();

  /** `engine` is the command that is tried. */
  private constructor(engine: EngineCommand) {
    this.#engine = engine;
  }

  static async open(engine: EngineCommand): Promise<World> {
    const world = new World(engine);
    const first = new Dag();
    first.task("first", { command: "echo first > $OUTPUT" });
    const { code, printed } = await world.bundled(world.write("first", first));
    assert.equal(code, 0, printed);
    return world;
  }

  /** Ends what still runs, and removes everything. */
  async close(): Promise<void> {
    for (const child of this.#running) child.kill("SIGKILL");
    await removeTree(this.dir);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Writes a plan file, and returns its path. */
  write(name: string, dag: Dag): string {
    return this.writeBytes(name, dag.bencode());
  }

  writeBytes(name: string, plan: Uint8Array): string {
    const file = this.path(`${name}.dag`);
    writeFileSync(file, plan);
    return file;
  }

  /** A command that counts its executions under `name`, then does `what`. */
  counted(name: string, what: string): string {
    return `echo x >> '${this.path(`${name}.count`)}'; ${what}`;
  }

  /** How often the command of this name was executed. */
  count(name: string): number {
    const file = this.path(`${name}.count`);
    return existsSync(file) ? readFileSync(file, "utf8").length / 2 : 0;
  }

  /** How often any was. */
  get executions(): number {
    const counts = readdirSync(this.dir).filter((name) => name.endsWith(".count"));
    return counts.reduce((sum, name) => sum + this.count(name.slice(0, -".count".length)), 0);
  }

  /** Runs the engine that is tried, to its end. */
  engine(plan: string, ...goals: string[]): Promise<Ended> {
    return this.start(this.#engine, plan, ...goals).ended;
  }

  bundled(plan: string, ...goals: string[]): Promise<Ended> {
    return this.start(BUNDLED, plan, ...goals).ended;
  }

  /** The engine must say by its exit code that all is done, and the record that it is. */
  async done(file: string, ...goals: string[]): Promise<void> {
    const { code, printed } = await this.engine(file, ...goals);
    assert.equal(code, 0, printed);
    const plan = decodePlan(readFileSync(file));
    const db = new DatabaseSync(this.record, { readOnly: true, timeout: 30_000 });
    try {
      const standing = db.prepare(
        `SELECT 1 FROM outputs o JOIN standing c ON c.output_id = o.id JOIN successes s ON s.id = c.success_id
         WHERE o.output = ? AND s.state = 'current'`,
      );
      for (const goal of goals.length > 0 ? goals : graphOf(plan).goals())
        assert.ok(
          standing.get(Buffer.from(plan.tasks[goal]!.output, "hex")),
          `${goal} is not done\n${printed}`,
        );
    } finally {
      db.close();
    }
  }

  startEngine(plan: string, ...goals: string[]): Running {
    return this.start(this.#engine, plan, ...goals);
  }

  start(command: EngineCommand, plan: string, ...goals: string[]): Running {
    const places: Record<string, string> = { "{store}": this.store, "{record}": this.record, "{plan}": plan };
    const [program, ...args] = command
      .split(" ")
      .filter((word) => word !== "")
      .flatMap((word) => (word === "{goals}" ? goals : [places[word] ?? fileOr(word)]));
    const env = cliEnv({ PYTHONDONTWRITEBYTECODE: "1" });
    const child = spawn(program!, args, { cwd: this.dir, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#running.add(child);
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        printed += text;
      });
    }
    const hang = setTimeout(() => child.kill("SIGKILL"), HANG_MS);
    const ended = new Promise<Ended>((settle, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        clearTimeout(hang);
        this.#running.delete(child);
        settle({ code, printed });
      });
    });
    const kill = () => {
      child.kill("SIGKILL");
      return ended;
    };
    return { child, ended, kill, printed: () => printed };
  }

  /** Resolves once `holds` does. Fails where that takes too long, or all of these have ended without it. */
  async until(what: string, holds: () => boolean, ...while_: readonly Running[]): Promise<void> {
    const deadline = performance.now() + HANG_MS;
    while (!holds()) {
      const over = while_.length > 0 && while_.every(({ child }) => !this.#running.has(child));
      if (over && holds()) return;
      assert.ok(!over, `${what}: the engine ended first`);
      assert.ok(performance.now() < deadline, `${what}: never`);
      await delay(POLL_MS);
    }
  }

  recorded(): Recorded {
    return recorded(this.record);
  }

  /** Where the current tree of an output lies. */
  placeOf(output: string): string {
    const success = this.recorded().successes.get(output);
    assert.ok(success, `${output} is no success`);
    return join(this.store, "outputs", success.location);
  }

  /** A lone file that was made. */
  contentOf(output: string): string {
    return readFileSync(this.placeOf(output), "utf8");
  }

  /** What has to hold whenever nothing runs: each success has its bytes, closed, and a receipt; nothing is held. */
  async sound({ killed = false } = {}): Promise<void> {
    const { successes, leases, unfinishedExecutions } = this.recorded();
    if (!killed)
      assert.deepEqual([leases, unfinishedExecutions], [0, 0], "leases and executions that never end");
    const receipts = new Set<string>();
    for (const run of readdirSync(join(this.store, "receipts")))
      for (const note of readReceipts(join(this.store, "receipts", run)))
        receipts.add(`${note["output"]} ${note["digest"]}`);
    for (const { output, location, treeDigest } of successes.values()) {
      const place = join(this.store, "outputs", location);
      assert.equal((await hashTree(place)).digest, treeDigest, `the tree at ${location}`);
      for (const path of [
        "",
        ...(lstatSync(place).isDirectory() ? readdirSync(place, { recursive: true }) : []),
      ]) {
        const stats = lstatSync(join(place, String(path)));
        if (!stats.isSymbolicLink())
          assert.equal(stats.mode & 0o222, 0, `${location}/${path} can be written`);
      }
      if (location.startsWith(`${output.slice(0, 2)}/${output}`))
        assert.ok(receipts.has(`${output} ${treeDigest}`), `there is no receipt for ${output}`);
    }
  }
}

/** Relative names of files are meant from where the kit is called. */
function fileOr(word: string): string {
  return word.includes("/") && existsSync(word) ? resolve(word) : word;
}
