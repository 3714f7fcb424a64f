// What an output with alamode-env.json at its top does for tasks that depend on it. No registry is needed here.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { environmentOf, thisPlatform, withEnvironments } from "../../src/engine/environments.ts";
import { AlamodeError } from "../../src/errors.ts";
import { openRig, planOf } from "./rig.ts";

/** A command that makes an environment with a program `hello` that says `word`. */
const maker = (word: string, more: object = {}) => {
  const json = JSON.stringify({ variables: { PATH: ["bin"], WORDS: ["words"], KIND: word }, ...more });
  return [
    `mkdir -p $OUTPUT/bin $OUTPUT/words; echo ${word} > $OUTPUT/words/${word}`,
    `printf '#!/bin/sh\\necho ${word}\\n' > $OUTPUT/bin/hello; chmod +x $OUTPUT/bin/hello`,
    `printf '%s' '${json}' > $OUTPUT/alamode-env.json`,
  ].join("; ");
};

test("programs of an environment are found, and its folders precede what the spec says", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    env: maker("one"),
    use: [
      { command: 'hello > $OUTPUT; echo "$WORDS" >> $OUTPUT; echo $KIND >> $OUTPUT', env: { WORDS: "/own" } },
      "env",
    ],
    argv: [{ command: ["hello"], produces: ["x"] }, "env"],
  });
  const told = await rig.run(plan, { goals: ["use", "argv"], keepGoing: true });
  const [word, words, kind] = (await rig.text(plan, "use")).split("\n");
  assert.deepEqual([word, kind], ["one", "one"]);
  assert.match(words!, /^\/.*\/work\/inputs\/env\/words:\/own$/);
  assert.match(told.of("task.failed")[0]!.failure.message, /did not produce x/, "a list finds it too");
});

test("of several environments the first by dependency name wins, whatever the order of description", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    b: maker("second"),
    a: maker("first"),
    use: [
      'hello > $OUTPUT; echo $KIND >> $OUTPUT; ls $(echo $WORDS | tr ":" " ") | grep -v : >> $OUTPUT',
      "b",
      "a",
    ],
  });
  await rig.run(plan);
  assert.equal(await rig.text(plan, "use"), "first\nfirst\nfirst\n\nsecond\n");
});

test("an environment is what its content says: the same tree made by another task is the same", async (t) => {
  const rig = await openRig(t);
  const plan = (comment: string) =>
    planOf({ env: `: ${comment}; ${maker("one")}`, use: ["hello > $OUTPUT", "env"] });
  await rig.run(plan("a"));
  const again = await rig.run(plan("b"));
  assert.deepEqual(again.ranTasks, ["env"]);
  assert.equal(again.counts.same, 1);
});

test("links are there where nothing else lies, and count for nothing when no output is made", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    env: maker("one", { links: { lib: "words" } }),
    use: ["cat lib/one > $OUTPUT", "env"],
    nothing: ["true", "env"],
  });
  const told = await rig.run(plan, { goals: ["use", "nothing"], keepGoing: true });
  assert.equal(await rig.text(plan, "use"), "one\n");
  assert.equal(told.of("task.failed")[0]!.failure.message, "made nothing at $OUTPUT (exit 0)");
});

test("an environment for another platform fails what reads it, and names both", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ env: maker("one", { platform: "plan9-mips" }), use: ["hello > $OUTPUT", "env"] });
  const told = await rig.run(plan);
  const { failure } = told.of("task.failed")[0]!;
  assert.match(failure.message, new RegExp(`"env" holds programs for plan9-mips, .* is ${thisPlatform()}`));
  assert.match(failure.hint!, /platform: "/);
});

test("a dependency name with a colon cannot be on a search path, and the way out is told", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ "a:b": maker("one"), use: ["hello > $OUTPUT", "a:b"] });
  const [failed] = (await rig.run(plan)).of("task.failed");
  assert.match(failed!.failure.message, /holds ":"/);
});

test("an environment file that means nothing is refused with what is wrong in it", () => {
  const refused: [unknown, RegExp][] = [
    [[], /does not hold a map/],
    [{ more: 1 }, /holds "more"/],
    [{ variables: { "A B": "x" } }, /no name of a variable/],
    [{ variables: { OUTPUT: "x" } }, /the engine sets/],
    [{ variables: { PATH: "/bin" } }, /sets PATH to text/],
    [{ variables: { X: ["../up"] } }, /sets X/],
    [{ variables: { X: ["/abs"] } }, /sets X/],
    [{ variables: { X: 1 } }, /sets X/],
    [{ links: { "a/b": "c" } }, /links "a\/b"/],
    [{ links: { inputs: "c" } }, /links "inputs"/],
    [{ links: { a: "../c" } }, /links "a"/],
    [{ platform: 1 }, /platform/],
  ];
  for (const [value, what] of refused)
    assert.throws(() => environmentOf("env", JSON.stringify(value)), { message: what });
  assert.throws(() => environmentOf("env", "{"), /is not JSON/);
  assert.deepEqual(environmentOf("env", "{}"), { variables: {}, links: {} });
});

test("any text as an environment file gives an environment or our own error, and never leads out of the output", () => {
  const path = fc.string({ unit: fc.constantFrom("a", ".", "/", ":", "\0"), maxLength: 8 });
  const value = fc.oneof(path, fc.array(path, { maxLength: 3 }), fc.integer());
  const like = fc.record(
    {
      variables: fc.dictionary(fc.constantFrom("PATH", "X", "Y"), value),
      links: fc.dictionary(path, path),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(like, (given) => {
      let environment: ReturnType<typeof environmentOf>;
      try {
        environment = environmentOf("env", JSON.stringify(given));
        const brought = [{ name: "env", file: "env", ...environment }];
        const env = withEnvironments({ PATH: "/bin" }, brought, "/w/inputs");
        for (const entry of (env["PATH"] ?? "").split(":").slice(0, -1))
          assert.match(entry, /^\/w\/inputs\/env(\/|$)/);
        assert.ok(env["PATH"]!.endsWith("/bin"));
      } catch (error) {
        assert.ok(error instanceof AlamodeError, String(error));
      }
    }),
  );
});
