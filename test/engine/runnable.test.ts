// What specs ask for, and how what cannot be run is told.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Bmap } from "../../src/bencode/types.ts";
import { runnableOf } from "../../src/engine/runnable.ts";
import type { AlamodeError } from "../../src/errors.ts";
import { inputFileName } from "../../src/plan/input-name.ts";
import { planOf } from "./rig.ts";

const runnable = (spec: Bmap) => runnableOf("fit", planOf({ fit: [spec] }).tasks["fit"]!);

function message(act: () => unknown, code: string): string {
  let text = "";
  assert.throws(act, (error: AlamodeError) => {
    text = error.message;
    return error.code === code;
  });
  return text;
}

test("text is a command for the shell, a list is taken word by word", () => {
  assert.deepEqual(runnable({ command: "echo $HOME" }).argv, ["/bin/sh", "-ec", "echo $HOME"]);
  const list = runnable({ command: ["grep", "-c", "it's", ""] });
  assert.deepEqual(list.argv, ["grep", "-c", "it's", ""]);
  assert.equal(list.shown, "grep -c 'it'\\''s' ''");
});

test("numbers in env are texts to a program", () => {
  assert.deepEqual(
    { ...runnable({ command: "x", env: { N: 3, B: true, Z: 2n ** 70n } }).env },
    {
      N: "3",
      B: "1",
      Z: "1180591620717411303424",
    },
  );
});

test("keys that the engine does not know are left alone", () => {
  assert.deepEqual(runnable({ command: "x", sha: "6f09d", whatever: [1, { a: 2 }] }).argv, [
    "/bin/sh",
    "-ec",
    "x",
  ]);
});

test("a spec that cannot be run is told with all that is wrong with it", () => {
  const cases: [Bmap, string][] = [
    [{}, 'it has no "command"'],
    [
      { command: [] },
      "spec.command: must be text for /bin/sh, or a list of texts that begins with a program",
    ],
    [{ command: 7 }, "spec.command: must be text for /bin/sh, or a list of texts that begins with a program"],
    [{ command: "a\0b" }, "spec.command: holds a NUL character, which no program can be given"],
    [{ command: "x", env: { "A=B": "1" } }, "spec.env.A=B: is no name a variable can have"],
    [{ command: "x", env: { OUTPUT: "1" } }, "spec.env.OUTPUT: is set by the engine"],
    [{ command: "x", env: { A: [1] } }, "spec.env.A: must be text"],
    [{ command: "x", env: "A=1" }, "spec.env: must be a map of texts"],
    [
      { command: "x", produces: "../a" },
      "spec.produces: must be a path inside the output folder, or a list of such paths",
    ],
    [
      { command: "x", produces: ["a", "/b"] },
      "spec.produces: must be a path inside the output folder, or a list of such paths",
    ],
    [{ command: "x", image: 3 }, "spec.image: must be text"],
    [
      { files: { "../run.py": "a".repeat(64), "inputs/x": "b".repeat(64), "c.py": "abc" } },
      'it has no "command"; spec.files.../run.py: must be a path inside the working directory; ' +
        "spec.files.c.py: must be a sha256: write  files: files('fit.py', 'lib/**'); spec.files.inputs/x: inputs/ holds the dependencies",
    ],
  ];
  for (const [spec, what] of cases) {
    assert.equal(
      message(() => runnable(spec), "bad-task"),
      `task "fit" cannot be run: ${what}`,
    );
  }
});

test("dependency names become file names by the rule that is written down", () => {
  const golden: [string, string][] = [
    ["raw", "raw"],
    ["", "%"],
    [".", "%2E"],
    ["..", "%2E%2E"],
    ["...", "..."],
    [".hidden", ".hidden"],
    ["align/S03", "align%2FS03"],
    ["100%", "100%25"],
    ["a\0b", "a%00b"],
    ["tab\tnewline\ndelete\u007f", "tab%09newline%0Adelete%7F"],
    ["größe 数", "größe 数"],
    ["__proto__", "__proto__"],
    ["x".repeat(200), "x".repeat(200)],
    ["x".repeat(201), `${"x".repeat(183)}~84a0678c90937f5d`],
    ["ü".repeat(101), `${"ü".repeat(91)}~`],
    ["/".repeat(67), `${"%2F".repeat(61)}~`],
  ];
  for (const [name, file] of golden) {
    if (file.endsWith("~")) assert.match(inputFileName(name), new RegExp(`^${file}[0-9a-f]{16}$`));
    else assert.equal(inputFileName(name), file);
  }
});

test("different dependency names never share a file name, and each is one name of at most 200 bytes", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.string({ unit: fc.constantFrom("%", "2", "F", "/", ".", "~"), maxLength: 6 }),
    fc.string({ unit: fc.constantFrom("a", "/", "ü"), minLength: 60, maxLength: 300 }),
  );
  fc.assert(
    fc.property(name, name, (one, other) => {
      const file = inputFileName(one);
      assert.ok(file !== "" && file !== "." && file !== ".." && !file.includes("/") && !file.includes("\0"));
      assert.ok(Buffer.byteLength(file) <= 200);
      if (one !== other) assert.notEqual(file, inputFileName(other));
    }),
    { numRuns: 2000 },
  );
});
