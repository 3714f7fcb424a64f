// What the options of a task come to, from its pipeline and from the machine's configuration, and how wrong ones are told.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { Bmap } from "../../src/bencode/types.ts";
import { ConfiguredOptions, limitsOf, type TaskOptions } from "../../src/engine/options.ts";
import { passed } from "../../src/engine/pass.ts";
import type { AlamodeError } from "../../src/errors.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import { openRig, planOf } from "./rig.ts";

const options = (given: Bmap): TaskOptions =>
  new ConfiguredOptions().of(planOf({ fit: "true" }, { fit: given }), "fit");

test("options have defaults, and durations are seconds or say their unit", () => {
  const defaults = options({});
  assert.equal(defaults.retries, 0);
  assert.equal(defaults.backoff, 1000);
  assert.deepEqual(defaults.pass, []);
  assert.deepEqual(limitsOf(defaults, 1, 2 ** 30), {});
  const given = options({ retries: 2, backoff: "250ms", timeout: "2h", pass: "TOKEN" });
  assert.deepEqual(
    { ...given },
    { ...defaults, retries: 2, backoff: 250, timeout: { first: 7_200_000, grows: false }, pass: ["TOKEN"] },
  );
  const timeouts: [string | number, number][] = [
    [90, 90_000],
    ["90s", 90_000],
    ["10 m", 600_000],
    ["10min", 600_000],
    ["1.5h", 5_400_000],
    ["1d", 86_400_000],
  ];
  for (const [timeout, ms] of timeouts)
    assert.equal(limitsOf(options({ timeout }), 3, 2 ** 30).timeoutMs, ms);
  for (const backoff of [0, "0s"]) assert.equal(options({ backoff }).backoff, 0);
});

test("a limit may grow from attempt to attempt", () => {
  const given = options({ timeout: "10m * attempt" });
  assert.deepEqual(
    [1, 2, 3].map((attempt) => limitsOf(given, attempt, 2 ** 30).timeoutMs),
    [600_000, 1_200_000, 1_800_000],
  );
});

test("options that cannot be meant are told, with the one that is near", () => {
  const cases: [Bmap, string][] = [
    [{ retry: 2 }, '"retry" is not an option'],
    [{ retries: -1 }, "retries must be a whole number from 0"],
    [{ retries: "2" }, "retries must be a whole number from 0"],
    [{ timeout: 0 }, "timeout must be a duration"],
    [{ timeout: "soon" }, "timeout must be a duration"],
    [{ timeout: "0s" }, "timeout must be a duration"],
    [{ timeout: "attempt * 5m" }, "timeout must be a duration"],
    [{ backoff: "-1s" }, "backoff must be a duration"],
    [{ backoff: "1s * attempt" }, "backoff must be a duration"],
    [{ pass: [1] }, "pass must be a list of names"],
    [{ pass: { A: "1" } }, "pass must be a list of names"],
  ];
  for (const [given, what] of cases) {
    assert.throws(() => options(given), {
      code: "bad-options",
      message: `options of task "fit": ${what}`,
    } satisfies Partial<AlamodeError>);
  }
  assert.throws(() => options({ timout: 2 }), { hint: 'Did you mean "timeout"?' });
  assert.throws(() => new ConfiguredOptions({ "fit/*": { retries: "many" } }), {
    code: "bad-options",
    message: 'options for "fit/*": retries must be a whole number from 0',
  });
});

test("the configuration wins over the pipeline, and its later patterns over earlier ones, key by key", () => {
  const plan = planOf(
    { "align/a": "true", "align/b": "true", merge: "true" },
    { "align/a": { retries: 5, timeout: "1h", backoff: "2s" } },
  );
  const configured = new ConfiguredOptions({
    "**": { retries: 1 },
    "align/*": { timeout: "5m", retries: 2 },
    "align/b": { retries: 3 },
    "merge*": { timeout: undefined } as unknown as Bmap,
  });
  const of = (task: string) => {
    const { retries, backoff, timeout } = configured.of(plan, task);
    return [retries, backoff, timeout?.first];
  };
  assert.deepEqual(of("align/a"), [2, 2000, 300_000]);
  assert.deepEqual(of("align/b"), [3, 1000, 300_000]);
  assert.deepEqual(of("merge"), [1, 1000, undefined]);
});

test("names are taken as they are before they are taken for patterns", () => {
  const plan = planOf({ "a[1]": "true", a1: "true" });
  const configured = new ConfiguredOptions({ "a[1]": { retries: 1 } });
  assert.equal(configured.of(plan, "a[1]").retries, 1);
  assert.equal(configured.of(plan, "a1").retries, 1);
  assert.equal(configured.of(planOf({ a1: "true" }), "a1", "grow/a1").retries, 0);
});

test("patterns are held against the whole name of a task that another task wrote", async (t) => {
  const rig = await openRig(t);
  const inner = planOf({ result: 'echo "made by $BY" > $OUTPUT; test "$BY" = me' });
  writeFileSync(join(rig.dir, "inner.dag"), bencodePlan(inner));
  const plan = planOf({ grow: [{ command: `cat ${rig.dir}/inner.dag > $OUTPUT`, expand: 1 }] });
  const request = { callerEnv: { BY: "me" }, options: { "grow/*": { pass: "BY" } } };
  const told = await rig.run(plan, request);
  assert.deepEqual([told.status, told.warned], ["done", []]);
  assert.equal(await rig.text(plan, "grow"), "made by me\n");
});

test("a pattern that is of no task is told, with what is near", async (t) => {
  const rig = await openRig(t);
  const told = await rig.run(planOf({ blur: "echo > $OUTPUT" }), { options: { blurr: {}, "bl*": {} } });
  assert.deepEqual(
    told.of("warning").map(({ code, message, hint }) => [code, message, hint]),
    [["options-unmatched", 'the options for "blurr" are of no task of this pipeline', 'Is "blur" meant?']],
  );
});

test("pass hands over what its patterns name, and nothing else", () => {
  const env = {
    AWS_KEY: "k",
    AWS_: "e",
    XAWS_KEY: "x",
    "A.B": "dot",
    AxB: "no",
    TOKEN: "t",
    NONE: undefined,
  };
  assert.deepEqual(passed(["AWS_*", "TOKEN", "MISSING", "NONE"], env), {
    AWS_KEY: "k",
    AWS_: "e",
    TOKEN: "t",
  });
  assert.deepEqual(passed(["A.B"], env), { "A.B": "dot" });
  assert.deepEqual(passed(["*_KEY"], env), { AWS_KEY: "k", XAWS_KEY: "x" });
  assert.deepEqual(passed([], env), {});
});
