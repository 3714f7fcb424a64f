// Puts what a call of the command begins with, and all that a run without work needs, into one file, `cli/start.cjs`: a module of
// ours costs Node.js 0.4 ms to find and load, and each of its own modules that an `import` names is evaluated for all its exports.
// Commands stay modules of their own, which are imported when they are called.
import { createRequire } from "node:module";
import { join, relative, resolve } from "node:path";
import { build, type Plugin } from "esbuild";

/** What is loaded by `import()` and belongs to it all the same, below `dist`. */
const INSIDE = new Set(["cli/nothing-due.js", "cli/program.js", "record/sqlite.js", "store/folder.js"]);
/** Modules of Node.js that are seldom used by what is in there: each takes 1 to 6 ms to load. */
const SELDOM = /^node:(child_process|fs\/promises|timers\/promises|v8)$/;

/** `dist`: the compiled code. Throws where it cannot be put together. */
export async function bundleStart(dist: string): Promise<void> {
  const cli = join(dist, "cli");
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
    plugins: [commandsApart(dist, cli), seldomUsed],
  });
}

function commandsApart(dist: string, cli: string): Plugin {
  return {
    name: "commands apart",
    setup({ onResolve }) {
      onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
        if (kind !== "dynamic-import") return undefined;
        const file = resolve(resolveDir, path);
        if (INSIDE.has(relative(dist, file))) return undefined;
        const fromCli = relative(cli, file);
        return { path: fromCli.startsWith(".") ? fromCli : `./${fromCli}`, external: true };
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
