// Plans as JSON: the IDs are those of the same pipeline described here, and what is wrong is told with where.
import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonDocument } from "../../src/bencode/as-json.ts";
import { Dag } from "../../src/plan/dag.ts";
import { planOfJson } from "../../src/plan/json-plan.ts";

const dag = new Dag({ name: "shop", schedule: "@daily" });
const raw = dag.task("raw", { command: "seq 3 > $OUTPUT", n: 3, big: 2n ** 70n, flag: true });
const fit = dag.task("fit", { command: ["fit"] }).after(raw);
dag.task("report", { command: "cat inputs/*" }).after(raw, { model: fit });

const text = `{
  "meta": { "name": "shop", "schedule": "@daily" },
  "tasks": {
    "raw": { "command": "seq 3 > $OUTPUT", "n": 3, "big": ${2n ** 70n}, "flag": true },
    "report": { "command": "cat inputs/*" },
    "fit": { "command": ["fit"] }
  },
  "deps": { "fit": ["raw"], "report": { "raw": "raw", "model": "fit" } }
}`;

test("a plan as JSON is the plan of the same dag", () => {
  assert.deepEqual(planOfJson(text, "shop.py"), dag.encode());
  assert.deepEqual(planOfJson('{"tasks": {}}', "shop.py"), new Dag().encode());
});

test("what `alamode plan --json` prints is read back", () => {
  const small = new Dag({ name: "small" });
  const a = small.task("a", { command: "x" });
  small.task("b", { command: "y" }).after(a);
  assert.deepEqual(planOfJson(jsonDocument(small.encode()), "small.py"), small.encode());
});

test("IDs that are given are checked", () => {
  const { output } = dag.encode().tasks["fit"]!;
  const given = (id: string) => text.replace('"command": ["fit"]', `"command": ["fit"], "output": "${id}"`);
  assert.deepEqual(planOfJson(given(output), "shop.py"), dag.encode());
  assert.throws(() => planOfJson(given("0".repeat(64)), "shop.py"), {
    code: "plan-mismatch",
    message: /shop\.py: task "fit"/,
  });
  const whole = jsonDocument(new Dag().encode()).replace(
    '"tasks": {}',
    '"tasks": {"a": {"inputs": {}, "output": "00"}}',
  );
  assert.throws(() => planOfJson(whole, "shop.py"));
});

test("what is wrong is told with where", () => {
  const refuse = (json: string, code: string, message: RegExp) =>
    assert.throws(
      () => planOfJson(json, "shop.py"),
      (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, code);
        assert.match(`${error.message} ${error.hint}`, message);
        return true;
      },
    );
  refuse("{", "not-json", /./);
  refuse("[]", "not-a-plan", /a map is needed/);
  refuse("{}", "not-a-plan", /no "tasks"/);
  refuse('{"tasks": []}', "not-a-plan", /tasks: a map/);
  refuse('{"tasks": {"a": 1}}', "not-a-plan", /tasks\.a: a map/);
  refuse('{"tasks": {}, "dependencies": {}}', "not-a-plan", /Is "deps" meant/);
  refuse('{"tasks": {"fit": {}}, "deps": {"fit": ["raw"]}}', "unknown-task", /deps\.fit.*"raw"/);
  refuse('{"tasks": {"fit": {}}, "deps": {"fitt": []}}', "unknown-task", /Near: fit/);
  refuse('{"tasks": {"fit": {"lr": 0.5}}}', "not-encodable", /lr.*float/);
  refuse('{"tasks": {"fit": {"lr": null}}}', "not-encodable", /lr/);
  refuse('{"tasks": {"a": {}, "b": {}}, "deps": {"a": ["b"], "b": ["a"]}}', "cycle", /a → b/);
});
