import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { AlamodeError } from "../../src/errors.ts";
import { removeTree } from "../../src/store/remove.ts";
import { seal } from "../../src/store/seal.ts";
import { build, scratch } from "./scratch.ts";

const step = fc.constantFrom(
  "..",
  "..",
  ".",
  "a",
  "b",
  "c",
  "f",
  "l1",
  "l2",
  "l3",
  "OUTPUT",
  "inputs/in",
  "beside",
  "",
);
const target = fc
  .tuple(fc.constantFrom("", "", "", "OUTPUT", "INPUT"), fc.array(step, { minLength: 1, maxLength: 5 }))
  .map(([start, steps]) => ({ start, steps: steps.join("/") || "." }));
const place = fc.constantFrom("l1", "l2", "l3", "a/l1", "a/l2", "b/l1", "a/c/l1", "a/c/l3");
const links = fc.uniqueArray(fc.tuple(place, target), {
  minLength: 1,
  maxLength: 5,
  selector: ([path]) => path,
});

test("whatever links a task makes: what they led to is what they lead to after the move, or the output is refused", async (t) => {
  const dir = scratch(t);
  let round = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(links, async (made) => {
      const slot = `${dir}/${round++}`;
      const input = build(`${slot}/store/in`, {
        f: "in",
        "a/f": "in/a",
        "a/l1": { link: "../b" },
        "b/f": "in/b",
      });
      build(`${slot}/work`, { beside: "scratch", "inputs/in": { link: input } });
      const top = build(`${slot}/work/OUTPUT`, { f: "f", "a/f": "a/f", "a/c/f": "a/c/f", "b/f": "b/f" });
      for (const [path, { start, steps }] of made) {
        const base = start === "OUTPUT" ? `${top}/` : start === "INPUT" ? `${input}/` : "";
        symlinkSync(base + (steps.replace(/^\/+/, "") || "."), `${top}/${path}`);
      }
      const before = new Map(made.map(([path]) => [path, seen(`${top}/${path}`)]));
      const leaving = made.some(([path]) => {
        const real = realOf(`${top}/${path}`);
        return real !== undefined && !inside(top, real) && !inside(input, real);
      });
      try {
        await seal(top, { inputs: [input] });
      } catch (error) {
        assert.ok(error instanceof AlamodeError && error.code === "bad-output", String(error));
        refused++;
        // Refused for a link that leaves, or for one that dangles and would.
        return assert.ok(leaving || [...before.values()].includes(undefined));
      }
      assert.ok(!leaving);
      mkdirSync(`${slot}/elsewhere`);
      const moved = `${slot}/elsewhere/moved`;
      renameSync(top, moved);
      for (const gone of ["work", "store"]) await removeTree(`${slot}/${gone}`);
      for (const [path, was] of before) {
        const real = realOf(`${moved}/${path}`);
        assert.ok(real === undefined || inside(moved, real), `${path} leads out of the output`);
        if (was !== undefined) assert.deepEqual(seen(`${moved}/${path}`), was, path);
      }
      await removeTree(slot);
    }),
    { numRuns: process.env["ALAMODE_LONG"] ? 5000 : 150 },
  );
  assert.ok(!existsSync(`${dir}/work`));
  t.diagnostic(`${round} outputs, ${refused} refused`);
});

/** What a reader finds there: a file's text, or a folder's names; undefined where the path leads to nothing. */
function seen(path: string): string | string[] | undefined {
  if (realOf(path) === undefined) return undefined;
  return statSync(path).isDirectory() ? readdirSync(path).sort() : readFileSync(path, "utf8");
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

function inside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
