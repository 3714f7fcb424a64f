// For bundles: modules of Node.js that few calls use are loaded at the first use of what they export. Each takes 1 to 6 ms.
import { createRequire } from "node:module";
import type { Plugin } from "esbuild";

const SELDOM = /^node:(child_process|fs\/promises|timers\/promises|v8)$/;

export const seldomUsed: Plugin = {
  name: "seldom used",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: SELDOM }, ({ path, kind }) =>
      kind === "import-statement" ? { path, namespace: "seldom" } : { path, external: true },
    );
    onLoad({ filter: /./, namespace: "seldom" }, ({ path }) => {
      const names = Object.keys(createRequire(import.meta.url)(path));
      const getters = names.map(
        (name) => `get ${name}() { return (loaded ??= require("${path}")).${name}; },`,
      );
      return { contents: `let loaded;\nmodule.exports = { ${getters.join("\n")} };` };
    });
  },
};
