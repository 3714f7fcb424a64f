// Which task starts next, on a simulated clock: nothing that does not fit, the first in rank first, and nobody passed over for ever.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Amounts } from "../../src/engine/machine.ts";
import { type Grant, type Rank, StartQueue, type Waiting } from "../../src/engine/start-queue.ts";

interface Job {
  readonly arrives: number;
  readonly takes: number;
  readonly rank: Rank;
  readonly asks: Amounts;
}

interface Waiter extends Job {
  readonly number: number;
  readonly waiting: Waiting;
  since: number;
}

interface Simulation {
  /** Jobs by number, in the order in which they started. */
  readonly started: number[];
  /** When each started. */
  readonly startedAt: ReadonlyMap<number, number>;
  readonly endedAt: number;
}

/** Runs the jobs on a simulated clock. `looks` is called before each start, and after all that can be started was. */
function simulate(
  jobs: Iterable<Job>,
  { slots, amounts, gpus = [] }: { slots: number; amounts: Amounts; gpus?: readonly string[] },
  looks: {
    starts?(job: Waiter, waiting: ReadonlySet<Waiter>, free: ReadonlyMap<string, number>, now: number): void;
    rests?(waiting: ReadonlySet<Waiter>, free: ReadonlyMap<string, number>, now: number): void;
    grants?(grant: Grant): void;
    over?(): boolean;
  } = {},
): Simulation {
  const names = Array.from({ length: slots }, (_, n) => `slot${n}`);
  const queue = new StartQueue(names, { amounts, gpus });
  const free = new Map([...amounts, ["slots", slots] as const]);
  const waiting = new Set<Waiter>();
  const running: { readonly end: number; readonly grant: Grant }[] = [];
  const started: number[] = [];
  const startedAt = new Map<number, number>();
  const coming = jobs[Symbol.iterator]();
  let next = coming.next();
  let now = 0;
  let count = 0;
  const take = (asks: Amounts, sign: number) => {
    free.set("slots", free.get("slots")! + sign);
    for (const [name, amount] of asks) {
      free.set(name, free.get(name)! + sign * amount);
      assert.ok(free.get(name)! >= 0, `${name} is taken more often than it is there`);
    }
    assert.ok(free.get("slots")! >= 0);
  };
  for (;;) {
    for (; !next.done && next.value.arrives <= now; next = coming.next()) {
      const job = next.value;
      const number = count++;
      const start = (grant: Grant) => {
        looks.starts?.(waiter, waiting, free, now);
        looks.grants?.(grant);
        waiting.delete(waiter);
        take(job.asks, -1);
        running.push({ end: now + job.takes, grant });
        started.push(number);
        startedAt.set(number, now);
      };
      const waiter: Waiter = {
        ...job,
        number,
        since: now,
        waiting: { rank: job.rank, asks: job.asks, start },
      };
      waiting.add(waiter);
      queue.offer(waiter.waiting);
    }
    queue.startAll();
    looks.rests?.(waiting, free, now);
    if (looks.over?.() || (running.length === 0 && next.done)) break;
    const ends = running.reduce((least, { end }) => Math.min(least, end), Number.POSITIVE_INFINITY);
    now = Math.min(ends, next.done ? Number.POSITIVE_INFINITY : next.value.arrives);
    for (let at = running.length - 1; at >= 0; at--) {
      const { end, grant } = running[at]!;
      if (end > now) continue;
      running.splice(at, 1);
      take(grant.amounts, 1);
      queue.giveBack(grant);
    }
  }
  return { started, startedAt, endedAt: now };
}

const TOP = { priority: 0, path: 0 };
const job = (asks: Record<string, number>, more: Partial<Job> = {}): Job => ({
  arrives: 0,
  takes: 1,
  rank: TOP,
  asks: new Map(Object.entries(asks)),
  ...more,
});

function isBetter(a: Waiter, b: Waiter): boolean {
  if (a.rank.priority !== b.rank.priority) return a.rank.priority > b.rank.priority;
  if (a.rank.path !== b.rank.path) return a.rank.path > b.rank.path;
  return a.number < b.number;
}

test("priority goes before the longest way to the end, and that before who came first", () => {
  const jobs = [
    job({ cpus: 1 }),
    job({ cpus: 1 }, { rank: { priority: 0, path: 9 } }),
    job({ cpus: 1 }, { rank: { priority: 1, path: 0 } }),
    job({ cpus: 1 }, { rank: { priority: -1, path: 99 } }),
    job({ cpus: 1 }),
  ];
  const { started } = simulate(jobs, { slots: 1, amounts: new Map([["cpus", 1]]) });
  assert.deepEqual(started, [2, 1, 0, 4, 3]);
});

test("what fits goes before what does not fit yet, where the two do not ask for the same", () => {
  const jobs = [
    job({ cpus: 1, "pool db": 1 }, { takes: 10 }),
    job({ cpus: 1, "pool db": 1 }, { takes: 10 }),
    job({ cpus: 1 }),
  ];
  const { startedAt } = simulate(jobs, {
    slots: 3,
    amounts: new Map([
      ["cpus", 3],
      ["pool db", 1],
    ]),
  });
  assert.deepEqual(
    [...startedAt],
    [
      [0, 0],
      [2, 0],
      [1, 10],
    ],
  );
});

test("GPUs are numbered, and no two tasks have the same at a time", () => {
  const held = new Set<string>();
  let most = 0;
  const queue = new StartQueue(["a", "b", "c"], { amounts: new Map([["gpus", 3]]), gpus: ["0", "1", "7"] });
  const grants: Grant[] = [];
  const offer = (gpus: number) =>
    queue.offer({
      rank: TOP,
      asks: new Map([["gpus", gpus]]),
      start(grant) {
        assert.equal(grant.gpus.length, gpus);
        for (const gpu of grant.gpus) assert.ok(!held.has(gpu), "held by two");
        for (const gpu of grant.gpus) held.add(gpu);
        most = Math.max(most, held.size);
        grants.push(grant);
      },
    });
  for (const gpus of [2, 1, 3, 2, 1]) offer(gpus);
  for (let rounds = 0; rounds < 20; rounds++) {
    queue.startAll();
    const grant = grants.shift();
    if (grant === undefined) break;
    for (const gpu of grant.gpus) held.delete(gpu);
    queue.giveBack(grant);
  }
  assert.deepEqual([most, held.size, grants.length], [3, 0, 0]);
});

test("who was withdrawn is not started, and keeps nothing from the others", () => {
  const queue = new StartQueue(["only"], { amounts: new Map([["cpus", 2]]), gpus: [] });
  const started: string[] = [];
  const waiting = (name: string, cpus: number): Waiting => ({
    rank: { priority: cpus, path: 0 },
    asks: new Map([["cpus", cpus]]),
    start: () => started.push(name),
  });
  const [big, small] = [waiting("big", 2), waiting("small", 1)];
  queue.offer(big);
  queue.offer(small);
  queue.withdraw(big);
  queue.startAll();
  assert.deepEqual(started, ["small"]);
});

test("a large task starts though small ones keep coming, each before it could fit", () => {
  function* jobs(): Generator<Job> {
    yield job({ cpus: 1 }, { takes: 2 });
    yield job({ cpus: 4 }, { takes: 1 });
    for (let now = 1; ; now++) yield job({ cpus: 1 }, { arrives: now, takes: 2 });
  }
  let big: number | undefined;
  simulate(
    jobs(),
    { slots: 4, amounts: new Map([["cpus", 4]]) },
    {
      starts: ({ asks }, _waiting, _free, now) => {
        if (asks.get("cpus") === 4) big = now;
        assert.ok(now < 20, "starved");
      },
      over: () => big !== undefined,
    },
  );
  assert.equal(big, 2);
});

test("a task that needs two pools gets both, though others take of one or the other in turn", () => {
  function* jobs(): Generator<Job> {
    yield job({ "pool a": 1 }, { takes: 2 });
    yield job({ "pool a": 1, "pool b": 1 });
    for (let now = 1; ; now++) yield job({ [`pool ${now % 2 ? "b" : "a"}`]: 1 }, { arrives: now, takes: 3 });
  }
  let both: number | undefined;
  simulate(
    jobs(),
    {
      slots: 8,
      amounts: new Map([
        ["pool a", 1],
        ["pool b", 1],
      ]),
    },
    {
      starts: ({ asks }, _waiting, _free, now) => {
        if (asks.size === 2) both = now;
        assert.ok(now < 20, "starved");
      },
      over: () => both !== undefined,
    },
  );
  assert.ok(both !== undefined);
});

const CAPACITY: Amounts = new Map([
  ["cpus", 4],
  ["memory", 4],
  ["pool a", 2],
  ["pool b", 2],
]);
const MOST_TAKES = 8;

const anyJob = fc
  .record({
    arrives: fc.nat(60),
    takes: fc.integer({ min: 1, max: MOST_TAKES }),
    priority: fc.integer({ min: -1, max: 1 }),
    path: fc.nat(3),
    cpus: fc.integer({ min: 1, max: 4 }),
    memory: fc.nat(4),
    a: fc.nat(2),
    b: fc.nat(2),
  })
  .map(({ arrives, takes, priority, path, cpus, memory, a, b }): Job => {
    const asks = Object.entries({ cpus, memory, "pool a": a, "pool b": b }).filter(
      ([, amount]) => amount > 0,
    );
    return { arrives, takes, rank: { priority, path }, asks: new Map(asks) };
  });

test("of any tasks: all are started, within what there is, none before a better-ranked one that fits or that lacks what it takes", () => {
  const cases = fc.tuple(fc.array(anyJob, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }));
  fc.assert(
    fc.property(cases, ([jobs, slots]) => {
      const sorted = jobs.toSorted((one, other) => one.arrives - other.arrives);
      /** Since when each has been the first of all that wait. */
      const firstSince = new Map<number, number>();
      const { started } = simulate(
        sorted,
        { slots, amounts: CAPACITY },
        {
          starts(job, waiting, free, now) {
            for (const better of waiting) {
              if (better === job || !isBetter(better, job)) continue;
              const lacking = [...better.asks].filter(([name, amount]) => free.get(name)! < amount);
              for (const [name] of lacking)
                assert.ok(!job.asks.has(name), `${name} is taken from a better one`);
            }
            const since = firstSince.get(job.number) ?? now;
            assert.ok(now - since <= MOST_TAKES * (job.asks.size + 2), "it was passed over for too long");
          },
          rests(waiting, free, now) {
            const first = [...waiting].reduce<Waiter | undefined>(
              (best, one) => (best === undefined || isBetter(one, best) ? one : best),
              undefined,
            );
            for (const number of firstSince.keys()) if (number !== first?.number) firstSince.delete(number);
            if (first === undefined) return;
            if (!firstSince.has(first.number)) firstSince.set(first.number, now);
            const fits = [...first.asks].every(([name, amount]) => free.get(name)! >= amount);
            assert.ok(!fits || free.get("slots") === 0, "the first one fits, and does not start");
          },
        },
      );
      assert.equal(started.length, jobs.length);
    }),
    { numRuns: 500 },
  );
});

test("4,000 tasks, of hundreds of different wants of which few can be met, cost a bounded look each", () => {
  let looks = 0;
  const count = 4_000;
  const jobs = Array.from({ length: count }, (_, n): Job => {
    const plain = job({ cpus: 1 + (n % 3), memory: 1 + (n % 200) });
    const rank = { priority: 0, path: (n * 7919) % 1000 };
    return Object.defineProperty({ ...plain }, "rank", {
      enumerable: false,
      get() {
        looks++;
        return rank;
      },
    });
  });
  const queue = new StartQueue(["0", "1", "2", "3"], {
    amounts: new Map([
      ["cpus", 4],
      ["memory", 200],
    ]),
    gpus: [],
  });
  const grants: Grant[] = [];
  for (const one of jobs) {
    queue.offer(
      Object.defineProperties({} as Waiting, {
        asks: { value: one.asks },
        rank: { get: () => one.rank },
        start: { value: (grant: Grant) => grants.push(grant) },
      }),
    );
  }
  let ended = 0;
  queue.startAll();
  for (let grant = grants.pop(); grant !== undefined; grant = grants.pop(), ended++) {
    queue.giveBack(grant);
    queue.startAll();
  }
  assert.equal(ended, count);
  assert.ok(looks / count < 2000, `${looks / count} looks a task`);
});

test("what a task held but its slot is another's as soon as it runs no more", () => {
  const queue = new StartQueue(["0", "1", "2"], { amounts: new Map([["cpus", 1]]), gpus: [] }, 2);
  const grants: Grant[] = [];
  const rank: Rank = { priority: 0, path: 0 };
  for (let n = 0; n < 4; n++)
    queue.offer({ rank, asks: new Map([["cpus", 1]]), start: (grant) => grants.push(grant) });
  const started = () => {
    queue.startAll();
    return grants.map(({ slot }) => slot);
  };
  assert.deepEqual(started(), ["0"]);
  queue.over(grants[0]!);
  assert.deepEqual(started(), ["0", "1"]);
  queue.over(grants[1]!);
  queue.over(grants[1]!); // told twice, it is worth no more
  assert.deepEqual(started(), ["0", "1", "2"]);
  queue.over(grants[2]!);
  assert.deepEqual(started(), ["0", "1", "2"], "no slot is free");
  queue.giveBack(grants[1]!);
  assert.deepEqual(started(), ["0", "1", "2", "1"]);
});

/** A queue whose commands have been short, and what it has started. */
function hurried(names: readonly string[], amounts: Amounts, jobs: number, mostAhead: number) {
  const queue = new StartQueue(names, { amounts, gpus: [] }, jobs, mostAhead);
  const grants: Grant[] = [];
  const turns = new Map<Grant, boolean>();
  const offer = (asks: Record<string, number>, priority = 0) =>
    queue.offer({
      rank: { priority, path: 0 },
      asks: new Map(Object.entries(asks)),
      start(grant) {
        grants.push(grant);
        grant.turn?.then((mayRun) => turns.set(grant, mayRun));
      },
    });
  for (let n = 0; n < 16; n++) {
    offer({ cpus: 1 });
    queue.startAll();
    const grant = grants.pop()!;
    assert.equal(grant.turn, undefined);
    queue.over(grant, 1);
    queue.giveBack(grant);
  }
  /** What was granted since, in order: whether it runs (true), goes ahead (undefined) or is not to run (false). */
  const states = async () => {
    queue.startAll();
    await Promise.resolve();
    return grants.map((grant) => (grant.turn === undefined ? true : turns.get(grant)));
  };
  return { queue, grants, offer, states };
}

const ONE_CPU: Amounts = new Map([["cpus", 1]]);

test("while commands are short the next goes ahead, and runs when one that asks for the same is over", async () => {
  const { queue, grants, offer, states } = hurried(["0", "1", "2"], ONE_CPU, 1, 1);
  for (let n = 0; n < 3; n++) offer({ cpus: 1 });
  assert.deepEqual(await states(), [true, undefined]);
  queue.over(grants[0]!, 1);
  assert.deepEqual(
    await states(),
    [true, true, undefined],
    "the next is ahead while the first has its slot yet",
  );
  queue.giveBack(grants[0]!);
  queue.giveBack(grants[1]!);
  assert.deepEqual(await states(), [true, true, true]);
});

test("where commands are long none goes ahead", async () => {
  const { queue, grants, offer, states } = hurried(["0", "1"], ONE_CPU, 1, 1);
  for (let n = 0; n < 20; n++) offer({ cpus: 1 });
  assert.deepEqual(await states(), [true, undefined]);
  for (let n = 0; n < 8; n++) {
    queue.over(grants[n]!, 60_000);
    queue.giveBack(grants[n]!);
    await states();
  }
  const ahead = grants.filter(({ turn }) => turn !== undefined).length;
  queue.giveBack(grants.at(-1)!);
  await states();
  queue.giveBack(grants.at(-1)!);
  await states();
  assert.equal(grants.filter(({ turn }) => turn !== undefined).length, ahead);
});

test("who goes ahead holds nothing but a slot: what it asks for and is not given back by its like is no reason to", async () => {
  const amounts = new Map([
    ["cpus", 2],
    ["pool db", 1],
  ]);
  const { grants, offer, states } = hurried(["0", "1", "2", "3"], amounts, 2, 2);
  offer({ cpus: 1 }, 2);
  offer({ cpus: 1 }, 2);
  offer({ cpus: 1, "pool db": 1 }, 1);
  offer({ cpus: 1 });
  assert.deepEqual(await states(), [true, true], "the next in rank asks for what none that runs has");
  assert.equal(grants.length, 2);
});

test("who is recalled does not run, keeps its slot until it gives it back, and none follows it ahead", async () => {
  const { queue, grants, offer, states } = hurried(["0", "1"], ONE_CPU, 1, 1);
  for (let n = 0; n < 3; n++) offer({ cpus: 1 });
  assert.deepEqual(await states(), [true, undefined]);
  queue.recall(grants[1]!);
  queue.recall(grants[1]!);
  assert.deepEqual(await states(), [true, false]);
  queue.giveBack(grants[1]!);
  assert.deepEqual(await states(), [true, false], "what it never held is not free");
  queue.giveBack(grants[0]!);
  assert.deepEqual(await states(), [true, false, true]);
});

test("of any tasks that go ahead: all run, and never more than there is room for", async () => {
  const asks = fc.record({ cpus: fc.integer({ min: 1, max: 2 }), "pool a": fc.nat(2) });
  const ends = fc.array(fc.nat(7), { minLength: 200, maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(fc.array(asks, { maxLength: 30 }), ends, async (all, ends) => {
      const amounts = new Map([
        ["cpus", 4],
        ["pool a", 3],
      ]);
      const { queue, grants, offer, states } = hurried(
        Array.from({ length: 9 }, (_, n) => String(n)),
        amounts,
        3,
        3,
      );
      for (const one of all) offer(one);
      const done = new Set<Grant>();
      for (const end of ends) {
        const runs = await states();
        const running = grants.filter((grant, n) => runs[n] === true && !done.has(grant));
        assert.ok(running.length <= 3);
        for (const [name, amount] of amounts) {
          const taken = running.reduce((sum, grant) => sum + (grant.amounts.get(name) ?? 0), 0);
          assert.ok(taken <= amount, `${taken} of ${name}`);
        }
        const over = running[end % Math.max(1, running.length)];
        if (over === undefined) break;
        done.add(over);
        queue.over(over, 1);
        queue.giveBack(over);
      }
      assert.equal(done.size, all.length);
    }),
    { numRuns: 100 },
  );
});
