// A little project with modules, in a folder of the test's own.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { decode } from "../../src/bencode/decode.ts";
import { moduleCode } from "../../src/plan/module.ts";
import { setSourceBase } from "../../src/plan/sources.ts";

export interface ModuleProject {
  /** Absolute, without links. */
  readonly dir: string;
  write(files: Readonly<Record<string, string>>): void;
  link(path: string, target: string): void;
}

/** A module three imports deep, a package that has another one, an alias and JSON. Nothing in it may change: it has a golden ID. */
export const GOLDEN: Readonly<Record<string, string>> = {
  "package.json": '{ "name": "golden", "type": "module" }',
  "tsconfig.json":
    '{\n  // comments are fine\n  "compilerOptions": { "strict": true, "paths": { "@lib/*": ["./lib/*"] }, },\n}',
  "package-lock.json": JSON.stringify({
    lockfileVersion: 3,
    packages: {
      "": { name: "golden" },
      "node_modules/tiny": { version: "1.2.3", integrity: "sha512-tiny", dependencies: { dep: "^2.0.0" } },
      "node_modules/dep": { version: "2.0.1", integrity: "sha512-dep" },
      "node_modules/other": { version: "9.9.9", integrity: "sha512-other" },
    },
  }),
  "node_modules/tiny/package.json": '{ "name": "tiny", "version": "1.2.3", "main": "index.js" }',
  "node_modules/tiny/index.js": "module.exports = require('dep') + 1;",
  "node_modules/dep/package.json": '{ "name": "dep", "version": "2.0.1" }',
  "node_modules/dep/index.js": "module.exports = 40;",
  "steps/fit.ts":
    'import type { Rate } from "./rate.ts";\nimport tiny from "tiny";\nimport { model } from "./model.ts";\nexport function fit(): Rate { return model() + tiny; }\n',
  "steps/rate.ts": "export type Rate = number;\n",
  "steps/model.ts": 'import { scale } from "@lib/scale.ts";\nexport const model = () => scale(1);\n',
  "lib/scale.ts":
    'import { factor } from "./deep/factor.ts";\nexport const scale = (x: number) => x * factor;\n',
  "lib/deep/factor.ts":
    'import size from "./size.json" with { type: "json" };\nexport const factor: number = size.factor;\n',
  "lib/deep/size.json": '{ "factor": 3 }\n',
  "lib/unrelated.ts": "export const unrelated = 1;\n",
};

/** Paths of modules start in it from now on. */
export function moduleProject(
  t: Pick<TestContext, "after">,
  files: Readonly<Record<string, string>> = GOLDEN,
): ModuleProject {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-module-")));
  t.after(() => rmSync(dir, { recursive: true }));
  const project: ModuleProject = {
    dir,
    write(files) {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, path)), { recursive: true });
        writeFileSync(join(dir, path), text);
      }
    },
    link(path, target) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      symlinkSync(target, join(dir, path));
    },
  };
  project.write(files);
  setSourceBase(dir);
  return project;
}

/** What a digest stands for. */
export function identityOf(module: string) {
  return decode(moduleCode(module)!.encoded) as {
    readonly entry: string;
    readonly sources: Readonly<Record<string, string>>;
    readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
    readonly esm: readonly string[];
    readonly packages: Readonly<Record<string, Readonly<Record<string, string>>>>;
    readonly tsconfig: Readonly<Record<string, string | number>>;
  };
}
