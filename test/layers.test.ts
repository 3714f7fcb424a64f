// Imports point one way only, and nothing above the drivers knows which one it talks to. This compares the import lines
// of src/ with the table below; planted violations show that it can fail.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";

const src = join(import.meta.dirname, "../src");

/** What each part of src/ may import besides itself. A part is a folder, or a file at the top. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "errors.ts": [],
  "version.ts": [],
  "make-folder.ts": [],
  "quantities.ts": [],
  "process-lock.ts": ["make-folder.ts"],
  "postgres-server.ts": ["errors.ts"],
  bencode: ["errors.ts"],
  plan: ["errors.ts", "make-folder.ts", "bencode"],
  store: ["errors.ts", "make-folder.ts", "process-lock.ts", "postgres-server.ts", "bencode", "plan"],
  record: ["errors.ts", "make-folder.ts", "process-lock.ts", "postgres-server.ts", "bencode", "plan"],
  engine: ["errors.ts", "version.ts", "quantities.ts", "bencode", "plan", "store", "record"],
  provenance: ["errors.ts", "bencode", "plan", "store", "record", "engine"],
  export: ["errors.ts", "bencode", "plan", "store", "record", "engine"],
  "project.ts": ["errors.ts", "quantities.ts", "postgres-server.ts", "bencode", "plan", "store", "record"],
  "library.ts": ["errors.ts", "bencode", "plan", "store", "record", "engine", "project.ts"],
  ui: [
    "errors.ts",
    "version.ts",
    "bencode",
    "plan",
    "store",
    "record",
    "engine",
    "provenance",
    "export",
    "project.ts",
  ],
  cli: [
    "errors.ts",
    "quantities.ts",
    "version.ts",
    "bencode",
    "plan",
    "store",
    "record",
    "engine",
    "provenance",
    "export",
    "project.ts",
    "ui",
  ],
};

/** Store and record know each other's types and nothing else of each other. */
const typesOnly: Readonly<Record<string, string>> = { store: "record/types.ts", record: "store/types.ts" };

/** The only files that say which store or record there is; beside their own folder, only project.ts names them. */
const driver = /^(store\/(folder|s3|postgres)|record\/(sqlite|postgres))[^/]*\.ts$/;

const longest = 400;

interface Import {
  /** Path below src/; begins with ".." for a file outside. */
  readonly to: string;
  readonly typeOnly: boolean;
  readonly reexport: boolean;
}

/** The relative imports of a file below src/, statements and `import()` alike, with paths relative to src/. */
function importsOf(file: string, source: string): Import[] {
  const text = source.replaceAll(/^\s*(\/\/|\/?\*).*$/gm, ""); // comments show imports as examples
  const statement = /^(import|export)\s+(type\s+)?(?:[^;"'`]*?\sfrom\s*)?["']([^"'\n]+)["']/gm;
  const call = /\bimport\(\s*["']([^"'\n]+)["']\s*\)/g;
  const found = [
    ...[...text.matchAll(statement)].map(([, verb, type, path]) => ({
      path: path!,
      typeOnly: type !== undefined,
      reexport: verb === "export",
    })),
    ...[...text.matchAll(call)].map(([, path]) => ({ path: path!, typeOnly: false, reexport: false })),
  ];
  return found
    .filter(({ path }) => path.startsWith("."))
    .map(({ path, ...rest }) => ({ to: posix.join(posix.dirname(file), path), ...rest }));
}

function partOf(file: string): string {
  return file.split("/")[0]!;
}

/** One sentence for each import or file that breaks a rule. `files` maps paths below src/ to their text. */
function violations(files: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  for (const [file, text] of files) {
    const lines = text.split("\n").length - 1;
    if (lines > longest) found.push(`${file} has ${lines} lines: look for the second subject`);
    if (file === "index.ts") continue;
    const part = partOf(file);
    const allowed = mayImport[part];
    if (allowed === undefined) {
      found.push(`${file} belongs to no part that the table knows`);
      continue;
    }
    for (const { to, typeOnly, reexport } of importsOf(file, text)) {
      const target = partOf(to);
      if (reexport) found.push(`${file} passes on ${to}: import from the file that defines the name`);
      if (to.startsWith("..")) found.push(`${file} reaches outside src: ${to}`);
      else if (to === typesOnly[part]) {
        if (!typeOnly) found.push(`${file} imports ${to}, of which it may use only the types`);
      } else if (target !== part && !allowed.includes(target)) found.push(`${file} imports ${to}`);
      else if (driver.test(to) && target !== part && file !== "project.ts")
        found.push(`${file} names the driver ${to}`);
    }
  }
  return found;
}

test("imports point one way, drivers are named in one place, and no file is over 400 lines", () => {
  const files = globSync("**/*.ts", { cwd: src }).map((path) => path.replaceAll("\\", "/"));
  assert.ok(files.length > 20, "src/ was found");
  assert.deepEqual(
    violations(new Map(files.map((file) => [file, readFileSync(join(src, file), "utf8")]))),
    [],
  );
});

test("every relative import of src names a file", () => {
  for (const file of globSync("**/*.ts", { cwd: src }))
    for (const { to } of importsOf(file, readFileSync(join(src, file), "utf8")))
      assert.ok(to.endsWith(".ts") && globSync(to, { cwd: src }).length === 1, `${file} imports ${to}`);
});

const planted: readonly (readonly [what: string, file: string, text: string, told: string | undefined])[] = [
  [
    "a plan that knows a store",
    "plan/dag.ts",
    'import { x } from "../store/types.ts";',
    "imports store/types.ts",
  ],
  [
    "a type import upwards",
    "bencode/a.ts",
    'import type { P } from "../plan/types.ts";',
    "imports plan/types.ts",
  ],
  [
    "an import over several lines",
    "plan/a.ts",
    'import {\n  a,\n  b,\n} from "../engine/run.ts";',
    "engine/run.ts",
  ],
  ["an import for its effects", "store/a.ts", 'import "../engine/run.ts";', "imports engine/run.ts"],
  ["an import when needed", "engine/a.ts", 'await import("../cli/main.ts");', "imports cli/main.ts"],
  [
    "an engine that names a store",
    "engine/a.ts",
    'import { o } from "../store/folder.ts";',
    "names the driver",
  ],
  ["a cli that names a record", "cli/a.ts", 'await import("../record/sqlite-open.ts");', "names the driver"],
  [
    "a store that knows the record",
    "store/a.ts",
    'import type { S } from "../record/sql.ts";',
    "record/sql.ts",
  ],
  [
    "a value from the record's types",
    "store/a.ts",
    'import { S } from "../record/types.ts";',
    "only the types",
  ],
  [
    "a value from the store's types",
    "record/a.ts",
    'import { type S } from "../store/types.ts";',
    "only the types",
  ],
  ["a barrel", "store/a.ts", 'export * from "./tree.ts";', "passes on store/tree.ts"],
  ["a name passed on", "store/a.ts", 'export { tree } from "./tree.ts";', "passes on store/tree.ts"],
  ["a test in the product", "plan/a.ts", 'import { r } from "../../test/rig.ts";', "reaches outside src"],
  ["a new folder", "misc/a.ts", "", "no part that the table knows"],
  ["a file at the top", "misc.ts", "", "no part that the table knows"],
  ["the public file used within", "cli/a.ts", 'import { Dag } from "../index.ts";', "imports index.ts"],
  ["a long file", "plan/a.ts", "\n".repeat(longest + 1), "401 lines"],
  ["the types of the record", "store/a.ts", 'import type { S } from "../record/types.ts";', undefined],
  ["a driver's own folder", "store/a.ts", 'import { o } from "./folder.ts";', undefined],
  ["the one who names drivers", "project.ts", 'await import("./record/sqlite.ts");', undefined],
  ["the public file", "index.ts", 'export { Dag } from "./plan/dag.ts";', undefined],
  [
    "an import in a comment",
    "plan/a.ts",
    '/** As `import("../cli/main.ts")` does. */\n// import("./x.ts")',
    undefined,
  ],
  ["a package", "cli/a.ts", 'import { Command } from "commander";', undefined],
];

for (const [what, file, text, told] of planted) {
  test(`${told === undefined ? "passes" : "finds"} ${what}`, () => {
    const found = violations(new Map([[file, text]]));
    if (told === undefined) assert.deepEqual(found, []);
    else {
      assert.equal(found.length, 1);
      assert.ok(found[0]!.includes(told), `${found[0]} says ${told}`);
    }
  });
}
