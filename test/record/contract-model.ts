// Promise 4 as a law: any order of claims, commits and losses leaves what a naive model says, which works out the
// validity of everything from the beginning each time.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { InRecord } from "./contract.ts";
import { type Claimed, EXIT_1, Maker, planOf, type Reads, treeOf } from "./maker.ts";
import { Model } from "./model.ts";

const SHAPE: Readonly<Record<string, readonly string[]>> = {
  a: [],
  x: [],
  b: ["a"],
  c: ["a", "x"],
  d: ["b", "c"],
  e: ["d"],
};

const task = fc.constantFrom(...Object.keys(SHAPE));
const content = fc.constantFrom("1", "1", "1", "2");
const isolation = fc.constantFrom("none", "none", "none", "bubblewrap", "container:i", "container:j");
/** `make` claims and commits at once; `claim` and `commit` leave time for things to change in between. */
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("make" as const), task, content, isolation }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("claim" as const), task, content, isolation }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("commit" as const), task, content }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), task }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("lose" as const), task }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

export function modelContract(inRecord: InRecord, histories: number): void {
  inRecord("any history leaves the states and the validity that the model has", async (record) => {
    let specs = 0;
    const property = fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      // Another spec, and so other outputs, for each history: they share the record but nothing in it.
      const maker = await Maker.start(record, planOf(SHAPE, { history: specs++ }));
      const history = new History(maker);
      // All is made once, so that there is something to lose.
      for (const each of Object.keys(SHAPE)) {
        await history.perform({ do: "make", task: each, content: "1", isolation: "none" });
      }
      for (const each of actions) await history.perform(each);
      await history.compare();
    });
    await fc.assert(property, { numRuns: histories });
  });
}

/** Performs actions on record and model alike. */
class History {
  readonly #maker: Maker;
  readonly #model = new Model(SHAPE);
  readonly #claims = new Map<string, { claim: Claimed; reads: Reads }>();
  readonly #ids: number[] = []; // record's id of each of the model's successes

  constructor(maker: Maker) {
    this.#maker = maker;
  }

  async perform(action: Action): Promise<void> {
    switch (action.do) {
      case "make":
        await this.#claim(action.task, action.isolation);
        return this.#commit(action.task, action.content);
      case "claim":
        return this.#claim(action.task, action.isolation);
      case "commit":
        return this.#commit(action.task, action.content);
      case "fail": {
        const held = this.#claims.get(action.task);
        if (held !== undefined) await this.#maker.fail(held.claim, EXIT_1);
        this.#claims.delete(action.task);
        return;
      }
      case "lose": {
        const index = this.#model.current(action.task);
        if (index === undefined) return;
        await this.#maker.record.mark([this.#ids[index]!], "lost");
        this.#model.lose(index);
        return;
      }
      default:
        return action satisfies never;
    }
  }

  async #claim(task: string, isolation: string): Promise<void> {
    if (this.#claims.has(task)) return;
    const reads: Record<string, Reads[string]> = {};
    for (const dependency of SHAPE[task]!) {
      const index = this.#model.current(dependency);
      if (index === undefined) return; // an engine would make that first
      const treeDigest = treeOf(this.#model.successes[index]!.content);
      reads[dependency] = { output: this.#maker.output(dependency), treeDigest };
    }
    const asked = await this.#maker.claim(task, { isolation });
    assert.equal(asked.kind, this.#model.isDone(task, isolation) ? "done" : "claimed");
    if (asked.kind === "claimed") {
      const request = {
        ...this.#maker.request(task, { isolation }),
        execution: await this.#lastExecution(task),
      };
      this.#claims.set(task, { claim: { ...asked, request }, reads });
    } else {
      this.#claims.set(task, { claim: await this.#maker.take(task, { isolation, force: true }), reads });
    }
  }

  async #lastExecution(task: string): Promise<string> {
    return (await this.#maker.record.executions(this.#maker.output(task)))[0]!.id;
  }

  async #commit(task: string, content: string): Promise<void> {
    const held = this.#claims.get(task);
    if (held === undefined) return;
    this.#claims.delete(task);
    const { claim, reads } = held;
    const committed = await this.#maker.commit(claim, `${task}${content}`, reads);
    this.#ids.push(committed.success.id);
    const expected = this.#model.commit({
      task,
      content: `${task}${content}`,
      isolation: claim.request.isolation,
      reads: Object.fromEntries(
        Object.entries(reads).map(([name, input]) => [name, this.#contentOf(name, input.treeDigest)]),
      ),
    });
    assert.equal(committed.madeStale, expected.madeStale, "made stale");
    assert.equal(committed.differsFrom, expected.differsFrom && treeOf(expected.differsFrom), "differs from");
    await this.compare();
  }

  #contentOf(task: string, digest: string): string {
    return this.#model.successes.find(
      (success) => success.task === task && treeOf(success.content) === digest,
    )!.content;
  }

  /** Every success there ever was has the state and the validity that the model says. */
  async compare(): Promise<void> {
    const found = new Map<number, { state: string; stale: boolean }>();
    for (const task of Object.keys(SHAPE)) {
      for (const { id, state, stale } of await this.#maker.record.history(this.#maker.output(task))) {
        found.set(id, { state, stale });
      }
    }
    const expected = this.#model.successes.map(({ state }, i) => ({ state, stale: !this.#model.isValid(i) }));
    assert.deepEqual(
      this.#ids.map((id) => found.get(id)),
      expected,
    );
    assert.equal(found.size, expected.length);
  }
}
