// Compiles src/ to dist/ (JavaScript and declarations), puts the command into bundles, and makes it executable.
// The finished folder takes the old one's place at the end, so a failed build leaves the last good one.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { bundleProgram } from "./bundle-program.ts";
import { bundleStart } from "./bundle-start.ts";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");
const made = join(root, `node_modules/.cache/dist-${process.pid}`);
const old = `${made}-old`;
/** What is loaded of the command. */
const CALLED = new Set(["main.js", "start.cjs", "program.cjs", "library.js"]);
const tsc = join(root, "node_modules/typescript/bin/tsc");

mkdirSync(dirname(made), { recursive: true });
const built = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", made], {
  cwd: root,
  stdio: "inherit",
});
if (built.status === 0) {
  for (const name of globSync("**/*.{cjs,py}", { cwd: join(root, "src") }))
    copyFileSync(join(root, "src", name), join(made, name)); // programs of tasks: hashed, so not a byte may change
  await bundleProgram(made, await bundleStart(made));
  for (const name of readdirSync(join(made, "cli")))
    if (!CALLED.has(name)) rmSync(join(made, "cli", name), { recursive: true }); // it is in the bundles
  chmodSync(join(made, "cli/main.js"), 0o755);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(made, dist);
  rmSync(old, { recursive: true, force: true });
} else {
  rmSync(made, { recursive: true, force: true });
  process.exitCode = built.status ?? 1;
}
