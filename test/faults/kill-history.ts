// Runs that are killed with SIGKILL at random instants, and asked for again; whatever kind of record they have. Seeded:
// ALAMODE_SEED repeats one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { after, type TestContext } from "node:test";
import { slotsFor } from "../../src/engine/shared-queue.ts";
import { cliMain, cliNode } from "../cli-runner.ts";
import {
  contentOf,
  eventsOf,
  isRoot,
  jsonLines,
  NOBODY,
  type Project,
  project,
  random,
} from "../e2e/project.ts";
import { killProject } from "./kill-plan.ts";
import { goneWithin, processes, stepsOf, supervisorsOf } from "./processes.ts";
import type { Recorded } from "./record-copy.ts";

export const seed = Number(process.env["ALAMODE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const chance = random(seed);
const pick = <T>(from: readonly T[]): T => from[Math.floor(chance() * from.length)]!;

const root = resolve(import.meta.dirname, "../..");
/** The Node.js under test, and another one where there is one. */
const nodes = [
  ...new Set(
    [cliNode, process.execPath, join(root, "node_modules/node24/bin/node")]
      .filter(existsSync)
      .map((node) => realpathSync(node)),
  ),
].slice(0, 2);
/** Who runs it: as we are, and as nobody where we are root and nobody may read the program. */
const users: readonly (number | undefined)[] = [undefined, ...(nobodyCan() ? [NOBODY] : [])];
/** What is killed: the engine alone, its whole process group, or the engine with the supervisor that would end its tasks. */
const targets = ["engine", "group", "supervisor too"] as const;

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

/** Part of an undisturbed run's time within which kills come; less each time that this turns out to have been too late. */
let pace = 0.9;

/** The record that runs have, and how one looks into it apart from the code under test. */
export interface KeptRecord {
  env(here: Project): Readonly<Record<string, string>>;
  recorded(here: Project): Recorded;
  /** What a run that was killed leaves goes with the next one. By a heartbeat it goes when its lease has run out, perhaps later. */
  readonly clearsAtOnce: boolean;
}

interface Undisturbed {
  /** Content of each output, by output. */
  readonly trees: ReadonlyMap<string, string>;
  readonly runMs: number;
  /** Duration of a run in which nothing is due. */
  readonly idleMs: number;
}

/** Kills runs of a plan of so many tasks so often, in histories of one to five kills each. */
export async function survivesKills(
  t: TestContext,
  {
    kept,
    tasks,
    kills: KILLS,
  }: { readonly kept: KeptRecord; readonly tasks: number; readonly kills: number },
): Promise<void> {
  const killing = new Killing(kept, tasks);
  const undisturbed = await killing.runUndisturbed();
  const tally: Record<string, number> = {};
  let missed = 0;
  for (let kills = 0, history = 0; kills < KILLS; history++) {
    assert.ok(history < 3 * KILLS + 20, `${missed} runs ended before they were killed`);
    const uid = users[history % users.length];
    const wanted = Math.min(1 + Math.floor(chance() * 5), KILLS - kills);
    await t.test(
      `history ${history}: ${wanted} kills${uid === undefined ? "" : " as nobody"}`,
      async (step) => {
        const outcome = await killing.oneHistory(uid, kills, wanted, undisturbed);
        for (const word of outcome.words) tally[word] = (tally[word] ?? 0) + 1;
        step.diagnostic(outcome.told.join("; "));
        kills += outcome.told.length;
        missed += wanted - outcome.told.length;
      },
    );
  }
  t.diagnostic(`seed ${seed}: ${JSON.stringify(tally)}, ${missed} runs ended before they were killed`);
}

class Killing {
  readonly #kept: KeptRecord;
  readonly #tasks: number;
  readonly #files: Record<string, string>;

  constructor(kept: KeptRecord, tasks: number) {
    this.#kept = kept;
    this.#tasks = tasks;
    this.#files = killProject(seed, tasks);
  }

  async runUndisturbed(): Promise<Undisturbed> {
    const calm = project({ after: (cleanup) => cleanups.push(cleanup as () => unknown) }, this.#files);
    const timed = async () => {
      const before = performance.now();
      await calm.done(["run"], { env: this.#env(calm) });
      return performance.now() - before;
    };
    const runMs = await timed();
    const idleMs = await timed();
    return { trees: treesOf(calm, this.#kept.recorded(calm)), runMs, idleMs };
  }

  async oneHistory(
    uid: number | undefined,
    before: number,
    wanted: number,
    undisturbed: Undisturbed,
  ): Promise<{ told: string[]; words: string[] }> {
    const own: (() => unknown)[] = [];
    const here = project(
      { after: (cleanup) => own.push(cleanup as () => unknown) },
      this.#files,
      uid === undefined ? {} : { uid },
    );
    const told: string[] = [];
    const words: string[] = [];
    /** Journal lines of each task that was done when a kill came: it must not get another. */
    const done = new Map<string, number>();
    let inFlight = 0;
    try {
      for (let n = before; n < before + wanted; n++) {
        const node = nodes[n % nodes.length]!;
        const target = targets[n % targets.length]!;
        const jobs = pick([2, 3, 8]);
        const remaining = this.#tasks - done.size;
        const run = here.start(["run", "--json", "--jobs", `${jobs}`], {
          env: this.#env(here),
          node,
          detached: true,
        });
        const at = pick(["time", "event"] as const);
        const last =
          at === "time"
            ? pace *
              (undisturbed.idleMs + (undisturbed.runMs - undisturbed.idleMs) * (remaining / this.#tasks))
            : 1.9 * remaining;
        const instant = chance() * last;
        const when = at === "time" ? atTime(instant) : atLine(run.child.stdout!, 1 + Math.floor(instant));
        await Promise.race([when, run.ended]);
        const finished = run.child.exitCode !== null || run.stdout().includes('"run.finished"');
        kill(run.pid, target);
        const result = await run.ended;
        if (finished || result.signal !== "SIGKILL") {
          assert.ok(result.signal === "SIGKILL" || result.code === 0, result.stderr);
          if (at === "time") pace *= 0.85;
          break;
        }
        told.push(
          `${target} at ${at === "time" ? `${instant.toFixed(2)} ms` : `line ${1 + Math.floor(instant)}`}`,
        );
        words.push(
          target,
          at,
          node === nodes[0] ? "first node" : "other node",
          uid === undefined ? "as we are" : "as nobody",
        );
        inFlight += slotsFor(jobs);
        const state = this.#kept.recorded(here);
        for (const { output } of eventsOf(result.stdout, "task.ran"))
          assert.ok(state.successes.has(String(output)), `${output} was told as done and is not recorded`);
        intactIn(here, state, undisturbed);
        const lines = journalOf(here);
        for (const { task } of state.successes.values())
          if (!done.has(task)) done.set(task, lines.get(task)!);
      }
      await here.done(["run"], { env: this.#env(here), node: pick(nodes) });
      const state = this.#kept.recorded(here);
      assert.deepEqual(stepsOf(state.runs), [], "a task is left running");

      assert.deepEqual(treesOf(here, state), undisturbed.trees);
      assert.deepEqual(
        [...state.successful].filter(([, executions]) => executions !== 1),
        [],
        "outputs made more than once",
      );
      assert.equal(state.successful.size, this.#tasks);
      assert.equal(state.unfinishedExecutions, 0);
      assert.equal(state.leases, 0);
      const lines = journalOf(here);
      for (const [task, before] of done)
        assert.equal(lines.get(task), before, `${task} was done and ran again`);
      const ran = [...lines.values()].reduce((sum, count) => sum + count, 0);
      assert.ok(
        ran <= this.#tasks + inFlight,
        `${ran} executions with at most ${inFlight} in flight at kills`,
      );

      // Killed between move and record: such a tree was moved aside, and nothing ever reads it.
      assert.ok(unnamed(here, state).length <= inFlight, "rubbish that no kill explains");
      assert.deepEqual(await goneWithin(() => supervisorsOf(state.runs)), [], "a supervisor is left");
      const [last] = jsonLines(await here.done(["run", "--json"], { env: this.#env(here) })).slice(-1);
      assert.equal(last?.["ran"], 0);
      assert.equal(last?.["reused"], this.#tasks);
      // By now nothing holds a slot of theirs.
      if (this.#kept.clearsAtOnce) {
        const scratch = readdirSync(join(here.dir, ".alamode/tmp")).filter((name) => name !== "failed");
        assert.deepEqual(scratch, [], "scratch folders are left");
        assert.deepEqual(readdirSync(join(here.dir, ".alamode/live")), [], "locks are left");
      }
      return { told, words };
    } finally {
      for (const cleanup of own) await cleanup();
    }
  }

  #env(here: Project): Record<string, string> {
    return { ...this.#kept.env(here), JOURNAL: join(here.dir, "journal") };
  }
}

/** What the record calls done must lie there whole, at any instant. */
function intactIn(here: Project, state: Recorded, { trees }: Undisturbed): void {
  for (const [output, tree] of treesOf(here, state))
    assert.equal(tree, trees.get(output), `${output} is not whole`);
}

function treesOf(here: Project, state: Recorded): Map<string, string> {
  const trees = [...state.successes.values()].map(({ output, location }): [string, string] => [
    output,
    contentOf(join(here.dir, ".alamode/outputs", location)),
  ]);
  return new Map(trees.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What lies among the outputs without a success. */
function unnamed(here: Project, state: Recorded): string[] {
  const top = join(here.dir, ".alamode/outputs");
  const named = new Set([...state.successes.values()].map(({ location }) => location));
  return readdirSync(top)
    .flatMap((folder) => readdirSync(join(top, folder)).map((name) => `${folder}/${name}`))
    .filter((location) => !named.has(location));
}

function kill(pid: number, target: (typeof targets)[number]): void {
  if (target === "supervisor too") {
    const [supervisor] = processes().filter(
      ({ parent, command }) => parent === pid && command.includes("alamode-supervisor"),
    );
    if (supervisor !== undefined) signal(supervisor.pid);
  }
  signal(target === "group" ? -pid : pid);
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** Resolves `ms` from now, to some microseconds: timers alone would only ever hit whole milliseconds. */
async function atTime(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.floor(ms) - 1)));
  while (performance.now() < end);
}

/** Resolves as soon as the n-th line was read. */
function atLine(stdout: NodeJS.ReadableStream, n: number): Promise<void> {
  let lines = 0;
  return new Promise((resolve) => {
    stdout.on("data", (chunk: string) => {
      lines += chunk.split("\n").length - 1;
      if (lines >= n) resolve();
    });
  });
}

/** How often each task really ran. */
function journalOf(here: Project): Map<string, number> {
  const counts = new Map<string, number>();
  const file = join(here.dir, "journal");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  for (const task of text.split("\n").slice(0, -1)) counts.set(task, (counts.get(task) ?? 0) + 1);
  return counts;
}

function nobodyCan(): boolean {
  return isRoot && spawnSync(cliNode, [cliMain, "--version"], { uid: NOBODY, gid: NOBODY }).status === 0;
}
