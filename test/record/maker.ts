// Small plans, and a stand-in for the engine that claims and commits their tasks, for the tests of records.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { encode } from "../../src/bencode/encode.ts";
import type { Bvalue } from "../../src/bencode/types.ts";
import type { OutputId, Plan, PlanTask } from "../../src/plan/types.ts";
import type {
  Claim,
  ClaimRequest,
  CommitRequest,
  Committed,
  Failure,
  RecordDb,
  Run,
  StartRun,
} from "../../src/record/types.ts";
import type { Location, TreeDigest } from "../../src/store/types.ts";

export type Reads = CommitRequest["inputs"];
export type Claimed = Extract<Claim, { kind: "claimed" }> & { readonly request: ClaimRequest };

/** A new folder, removed after the test. */
export function scratch(t: Pick<TestContext, "after">): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-record-")));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function digestOf(value: Bvalue): string {
  return createHash("sha256").update(encode(value)).digest("hex");
}

export function planDigestOf(plan: Plan): string {
  return digestOf({ ...plan });
}

/** Digest of the tree that `make` commits for this content. */
export function treeOf(content: string): TreeDigest {
  return digestOf(["tree", content]) as TreeDigest;
}

/** A plan of tasks (in an order in which each follows its dependencies), each with the names of its dependencies. */
export function planOf(
  shape: Readonly<Record<string, readonly string[]>>,
  spec: PlanTask | object = {},
): Plan {
  const tasks: Record<string, PlanTask> = Object.create(null);
  for (const [name, dependencies] of Object.entries(shape)) {
    const inputs: Record<string, OutputId> = Object.create(null);
    for (const dependency of dependencies) inputs[dependency] = tasks[dependency]!.output;
    const own = { ...spec, command: `make ${name}` };
    const output = digestOf({ ...own, inputs }) as OutputId;
    tasks[name] = Object.assign(Object.create(null), own, { inputs, output });
  }
  return { meta: Object.create(null), tasks };
}

export function startOf(plan: Plan, pipeline = "pipeline"): StartRun {
  return {
    pipeline,
    plan,
    params: {},
    planDigest: planDigestOf(plan),
    goals: Object.keys(plan.tasks).slice(-1),
    note: "first run",
    host: "here",
    user: "me",
    version: "0.0.0",
  };
}

export const NO_COUNTS = { ran: 0, same: 0, reused: 0, failed: 0, notStarted: 0 };
export const EXIT_1: Failure = { kind: "exit", message: "exit 1", exitCode: 1 };

/** One run, and what it does to its tasks. */
export class Maker {
  readonly record: RecordDb;
  readonly plan: Plan;
  readonly run: Run;
  #executions = 0;

  constructor(record: RecordDb, plan: Plan, run: Run) {
    this.record = record;
    this.plan = plan;
    this.run = run;
  }

  static async start(record: RecordDb, plan: Plan): Promise<Maker> {
    return new Maker(record, plan, await record.startRun(startOf(plan)));
  }

  output(task: string): OutputId {
    return this.plan.tasks[task]!.output;
  }

  request(task: string, more: Partial<ClaimRequest> = {}): ClaimRequest {
    return {
      output: this.output(task),
      run: this.run.id,
      execution: `${this.run.id}-${++this.#executions}`,
      task,
      attempt: 1,
      slot: `/scratch/${this.#executions}`,
      executor: "local",
      isolation: "none",
      path: "/bin",
      resolvedKey: digestOf({ claimed: this.output(task) }),
      inputs: [],
      ...more,
    };
  }

  claim(task: string, more: Partial<ClaimRequest> = {}): Promise<Claim> {
    return this.record.claim(this.request(task, more));
  }

  /** Claims what must be free. */
  async take(task: string, more: Partial<ClaimRequest> = {}): Promise<Claimed> {
    const request = this.request(task, more);
    const claim = await this.record.claim(request);
    assert.equal(claim.kind, "claimed");
    return { ...(claim as Extract<Claim, { kind: "claimed" }>), request };
  }

  /** The current digests of a task's inputs, which must all be there. */
  async reads(task: string): Promise<Reads> {
    const { inputs } = this.plan.tasks[task]!;
    const current = await this.record.successes(Object.values(inputs));
    const reads: Record<string, Reads[string]> = Object.create(null);
    for (const [name, output] of Object.entries(inputs)) {
      reads[name] = { output, treeDigest: current.get(output)!.treeDigest };
    }
    return reads;
  }

  commitRequest(claim: Claimed, content: string, reads: Reads): CommitRequest {
    const { execution, output, task, isolation } = claim.request;
    const read = Object.fromEntries(Object.entries(reads).map(([name, input]) => [name, input.treeDigest]));
    return {
      token: claim.token,
      execution,
      output,
      treeDigest: treeOf(content),
      tree: encode(["tree", content]),
      sizeBytes: content.length,
      files: 1,
      location: `${output.slice(0, 2)}/${output}.${execution}` as Location,
      store: "folder",
      stamps: encode(content),
      isolation,
      inputs: reads,
      resolvedKey: digestOf({ task, read }),
      endedAt: claim.startedAt + 100,
      resources: { maxRssBytes: 1000, userMs: 10 },
      log: `${execution}.log`,
      host: "here",
      boot: "boot-1",
    };
  }

  async commit(claim: Claimed, content: string, reads?: Reads): Promise<Committed> {
    const request = this.commitRequest(claim, content, reads ?? (await this.reads(claim.request.task)));
    return this.record.commit(request);
  }

  /** Claims and commits. */
  async make(task: string, content: string, more: Partial<ClaimRequest> = {}): Promise<Committed> {
    return this.commit(await this.take(task, more), content);
  }

  fail(claim: Claimed, failure: Failure): Promise<void> {
    const end = { endedAt: claim.startedAt + 5, resources: {} };
    return this.record.fail(claim.token, claim.request.execution, failure, end);
  }
}
