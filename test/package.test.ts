// The package as a user gets it: packed, installed from the tarball in an empty folder, run and type-checked there.
// Needs the built dist/ and, for its dependencies, npm's cache or its registry.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { removeTree } from "../src/store/remove.ts";
import { cliEnv, cliNode } from "./cli-runner.ts";

const root = dirname(import.meta.dirname);
const top = realpathSync(mkdtempSync(join(tmpdir(), "alamode-package-")));
const user = join(top, "user");
after(() => removeTree(top));

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly version: string;
  readonly exports: { readonly ".": Readonly<Record<string, string>> };
};

/** Runs a program in the user's folder, whose Node.js is the one under test; fails unless it ends well. */
function ok(command: string, args: readonly string[], cwd = user): string {
  const env = cliEnv({ PATH: `${dirname(cliNode)}:${process.env["PATH"]}` });
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${error ?? ""}\n${stdout}\n${stderr}`);
  return stdout;
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

assert.ok(existsSync(join(root, "dist/index.js")), "dist/ is missing: npm run build");
// Without its scripts: packing would build, and so change dist/ under the feet of other tests.
const packed = JSON.parse(
  ok("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", top], root),
) as readonly [Packed] | Readonly<Record<string, Packed>>;
const { filename, files } = Object.values(packed)[0]!;

test("the tarball holds the compiled package, its documents, and nothing else", () => {
  const stray = files
    .map(({ path }) => path)
    .filter(
      (path) =>
        !/^(dist\/.+\.(js|d\.ts)|dist\/cli\/(start|program)\.cjs|dist\/plan\/install-(node\.cjs|python\.py)|docs\/.+\.(md|svg)|clients\/python\/alamode\.py|examples\/.+|[A-Z]+(\.md)?|package\.json)$/.test(
          path,
        ),
    );
  assert.deepEqual(stray, []);
  for (const path of [
    "dist/index.js",
    "dist/index.d.ts",
    "dist/cli/main.js",
    "dist/cli/start.cjs",
    "dist/cli/program.cjs",
    "clients/python/alamode.py",
    "examples/first/pipeline.ts",
    "README.md",
    "LICENSE",
  ])
    assert.ok(
      files.some((file) => file.path === path),
      `${path} is in the tarball`,
    );
  for (const { path } of files) assert.doesNotMatch(path, /\.test\.|\.map$/);
});

test("installed in an empty folder, the CLI starts a project and runs it", () => {
  mkdirSync(user);
  ok("npm", [
    "install",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    join(top, filename),
  ]);
  assert.equal(ok("npx", ["--no-install", "alamode", "--version"]).trim(), manifest.version);
  ok("npx", ["--no-install", "alamode", "init"]);
  const first = ok("npx", ["--no-install", "alamode", "run"]);
  assert.match(first, /(\d+) tasks: \1 ran/);
  assert.match(ok("npx", ["--no-install", "alamode", "run"]), /(\d+) tasks: \1 reused/);
});

/** Type-checks a file in the user's folder with `strict`, declarations of the package included. */
function check(name: string, text: string): { readonly status: number | null; readonly said: string } {
  const folder = join(user, name);
  mkdirSync(folder);
  // Declarations that use Node's own types need what every TypeScript project on Node has.
  const types = join(user, "node_modules/@types");
  if (!existsSync(types)) symlinkSync(join(root, "node_modules/@types"), types);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  writeFileSync(join(folder, "pipeline.ts"), text);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        module: "nodenext",
        target: "es2024",
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
      },
      files: ["pipeline.ts"],
    }),
  );
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  return { status, said: stdout };
}

/** `Same` tells `any` from every other type, which plain assignments do not. */
const same = `
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type NotAny<T> = 0 extends 1 & T ? false : true;
function yes<_ extends true>(): void {}
`;

test("the types say what the README says, and no any leaks", () => {
  const { status, said } = check(
    "typed",
    `import { chain, Dag, diff, files, json, loadPlan, open, pp, run, Task } from "a-la-mode";
import type * as api from "a-la-mode";
${same}
const dag = new Dag({ name: "typed", schedule: "@daily" });
const blur = dag.task("blur", { sha: "6f09d", sizes: [1, 2n, true, new Uint8Array()] }, { retries: 2 });
yes<Same<typeof blur, Task>>();
yes<Same<typeof dag.tasks.blur, Task>>();
yes<Same<typeof dag.blur, Task>>();
const plan = dag.encode();
yes<Same<typeof plan, api.Plan>>();
const task = plan.tasks["blur"];
yes<Same<typeof task, api.PlanTask>>();
yes<Same<typeof task.sha, api.Bnormal>>();
yes<Same<ReturnType<Dag["bencode"]>, Uint8Array>>();
yes<NotAny<ReturnType<typeof chain>>>();
yes<NotAny<ReturnType<typeof diff>>>();
yes<NotAny<ReturnType<typeof files>>>();
yes<NotAny<ReturnType<typeof json>>>();
yes<NotAny<ReturnType<typeof pp>>>();
yes<NotAny<Awaited<ReturnType<typeof loadPlan>>>>();
const result = await run(dag, { jobs: 2, goals: ["blur"], onEvent: (event) => yes<Same<typeof event, api.RunEvent>>() });
yes<Same<typeof result, api.RunSummary>>();
yes<Same<typeof result.counts.ran, number>>();
const path: string = result.path("blur");
for (const failed of result.failures) yes<Same<typeof failed, api.FailedTask>>();
const project = await open({ store: path });
yes<Same<typeof project, api.Project>>();
const [latest] = await project.runs(1);
yes<Same<typeof latest, api.Run>>();
blur.after(dag.task("download", { files: files("*.py"), args: json({ lr: 0.05 }) }));
blur.spec["sha"] = "qwetr3";
export default dag;
`,
  );
  assert.equal(status, 0, said);
});

const wrong: readonly (readonly [what: string, text: string])[] = [
  ["null in a spec", 'new Dag().task("a", { x: null });'],
  ["a function in a spec", 'new Dag().task("a", { x: () => 1 });'],
  ["a date in a spec", 'new Dag().task("a", { x: new Date() });'],
  ["a nameless task", "new Dag().task({});"],
  ["a dependency by name", 'new Dag().task("a", {}).after("b");'],
  ["a goal that is no text", "void run(new Dag(), { goals: [1] });"],
  ["any, where the test above asks for none", "yes<NotAny<any>>();"],
  ["any for a task", "yes<Same<any, Task>>();"],
];

test("the types refuse what cannot be encoded", () => {
  const lines = wrong.map(([what, text]) => `// ${what}\n// @ts-expect-error\n${text}`);
  const { status, said } = check(
    "refused",
    `import { Dag, run, type Task } from "a-la-mode";\n${same}\n${lines.join("\n")}\n`,
  );
  assert.equal(status, 0, said);
});
