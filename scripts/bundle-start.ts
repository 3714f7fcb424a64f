// Puts what a call of the command begins with, and all that a run without work needs, into one file, `cli/start.cjs`: a module of
// ours costs Node.js 0.4 ms to find and load, and each of its own modules that an `import` names is evaluated for all its exports.
// All else is in another such file, `cli/program.cjs` (bundle-program.ts), which is loaded when any of it is called.
import { join, relative, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { seldomUsed } from "./seldom-used.ts";

const PROGRAM = "./program.cjs";

/** What is loaded by `import()` and belongs to it all the same, below `dist`. */
const INSIDE = new Set(["cli/nothing-due.js", "cli/program.js", "record/sqlite.js", "store/folder.js"]);

/** `dist`: the compiled code. Gives what is asked of the program, as paths below it. Throws where it cannot be put together. */
export async function bundleStart(dist: string): Promise<string[]> {
  const cli = join(dist, "cli");
  const asked = new Set<string>();
  await build({
    absWorkingDir: dist,
    entryPoints: [join(cli, "start.js")],
    outfile: join(cli, "start.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    legalComments: "inline",
    logLevel: "warning",
    plugins: [programApart(dist, asked), seldomUsed],
  });
  return [...asked].sort();
}

/** What is asked of the program is added to `asked`. */
function programApart(dist: string, asked: Set<string>): Plugin {
  return {
    name: "program apart",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
        if (kind !== "dynamic-import") return undefined;
        const file = relative(dist, resolve(resolveDir, path));
        return INSIDE.has(file) ? undefined : { path: file, namespace: "program" };
      });
      onResolve({ filter: /./, namespace: "program" }, ({ path }) => ({ path, external: true }));
      onLoad({ filter: /./, namespace: "program" }, ({ path }) => {
        asked.add(path);
        return { contents: `module.exports = require("${PROGRAM}")["${path}"]();` };
      });
    },
  };
}
