// Puts what a call of the command begins with, and all that a run without work needs, into one file, `cli/start.cjs`: a module of
// ours costs Node.js 0.4 ms to find and load, and each of its own modules that an `import` names is evaluated for all its exports.
// All else is in another such file, `cli/program.cjs` (bundle-program.ts), which is loaded when any of it is called.
import { createRequire } from "node:module";
import { join, relative, resolve } from "node:path";
import { build, type Plugin } from "esbuild";

const PROGRAM = "./program.cjs";

/** What is loaded by `import()` and belongs to it all the same, below `dist`. */
const INSIDE = new Set(["cli/nothing-due.js", "cli/program.js", "record/sqlite.js", "store/folder.js"]);
/** Modules of Node.js that are seldom used by what is in there: each takes 1 to 6 ms to load. */
const SELDOM = /^node:(child_process|fs\/promises|timers\/promises|v8)$/;

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

/** Those are loaded at the first use of what they export. */
const seldomUsed: Plugin = {
  name: "seldom used",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: SELDOM }, ({ path, kind }) =>
      kind === "import-statement" ? { path, namespace: "seldom" } : { path, external: true },
    );
    onLoad({ filter: /./, namespace: "seldom" }, ({ path }) => {
      const names = Object.keys(createRequire(import.meta.url)(path));
      const getters = names.map((name) => `get ${name}() { return require("${path}").${name}; },`);
      return { contents: `module.exports = { ${getters.join("\n")} };` };
    });
  },
};
