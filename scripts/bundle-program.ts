// Puts the commands and all of ours that they load into one file, `cli/program.cjs`, from which `cli/start.cjs` takes what is asked
// for: Node.js takes 0.4 ms to find and load a module of ours. In there each is evaluated when it is first needed.
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { seldomUsed } from "./seldom-used.ts";

const LIBRARY = "index.js";
/** What a module finds out of where it lies, and the name that stands for it in the bundle. */
const PLACES = {
  "import.meta.dirname": "moduleFolder",
  "import.meta.filename": "moduleFile",
  "import.meta.url": "moduleUrl",
};

/**
 * `dist`: the compiled code; `entries`: what is asked for, as paths below it. Beside the program it puts `cli/library.js`, which
 * pipelines that it loads get for this package, so that theirs is the very copy that the program has. Throws where it cannot be
 * put together.
 */
export async function bundleProgram(dist: string, entries: readonly string[]): Promise<void> {
  const given = [...entries, LIBRARY].map((file) => `"${file}": () => require("./${file}"),`);
  await build({
    absWorkingDir: dist,
    stdin: { contents: `module.exports = {\n${given.join("\n")}\n};`, resolveDir: dist },
    outfile: join(dist, "cli/program.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    packages: "external",
    define: PLACES,
    legalComments: "inline",
    logLevel: "warning",
    plugins: [placesKept(dist), seldomUsed],
  });
  const names = Object.keys(await import(pathToFileURL(join(dist, LIBRARY)).href));
  writeFileSync(
    join(dist, "cli/library.js"),
    `import { createRequire } from "node:module";
export const { ${names.join(", ")} } = createRequire(import.meta.url)("./program.cjs")["${LIBRARY}"]();
`,
  );
}

/** Modules go on finding what lies beside them: programs of threads and tasks, the package itself. */
function placesKept(dist: string): Plugin {
  return {
    name: "places kept",
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, ({ path }) => {
        const text = readFileSync(path, "utf8");
        if (!text.includes("import.meta.")) return undefined;
        const place = JSON.stringify(join("..", relative(dist, path)));
        return {
          contents: `import { dirname as folderOf, join as joined } from "node:path";
import { pathToFileURL as urlOf } from "node:url";
const moduleFile = joined(__dirname, ${place});
const moduleFolder = folderOf(moduleFile);
const moduleUrl = urlOf(moduleFile).href;
${text}`,
        };
      });
    },
  };
}
