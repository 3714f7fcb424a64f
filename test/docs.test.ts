// What the documents show is so. In README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/:
//   ```ts, ```js …              is type-checked against the built package
//   ```<any> file=NAME          is written to a folder, one for each `##` section
//   ```sh                       is run there, one after the other, by a shell that has `alamode`
//   ```text after a ```sh       is what that printed, but for durations, columns and lines left out
//   ```text sha256=X            is one line whose digest is X; `receipt=X` is a framed note with its digest
// and every link to a file leads to one. (docs/recipes/ are typed from their text by recipes.test.ts, in one folder each.)
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  globSync,
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
import { cliEnv, cliMain, cliNode } from "./cli-runner.ts";
import { blocksOf, missing, normal } from "./documents.ts";

const root = dirname(import.meta.dirname);
const documents = globSync(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/**/*.md"], {
  cwd: root,
}).sort();
const top = realpathSync(mkdtempSync(join(tmpdir(), "alamode-docs-")));
after(() => removeTree(top));

/** A folder in which the package is installed, with `alamode` on the PATH of its shell. */
function project(name: string): {
  readonly folder: string;
  sh(script: string): { status: number | null; printed: string };
} {
  const folder = join(top, name);
  const bin = join(top, "bin");
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  mkdirSync(bin, { recursive: true });
  symlinkSync(root, join(folder, "node_modules/a-la-mode"));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  writeFileSync(join(bin, "alamode"), `#!/bin/sh\nexec '${cliNode}' '${cliMain}' "$@"\n`);
  chmodSync(join(bin, "alamode"), 0o755);
  const env = cliEnv({ PATH: `${bin}:${dirname(cliNode)}:${process.env["PATH"]}`, PWD: undefined });
  let cwd = folder;
  return {
    folder,
    sh(script) {
      const where = join(top, "cwd");
      // Both streams in one, as a terminal shows them; the folder is kept for the next block.
      const whole = `exec 2>&1\nset -e\ntrap 'pwd > "${where}"' EXIT\n${script}\n`;
      const { status, stdout } = spawnSync("/bin/sh", ["-c", whole], { cwd, env, encoding: "utf8" });
      cwd = readFileSync(where, "utf8").trimEnd();
      return { status, printed: stdout };
    },
  };
}

for (const document of documents) {
  const markdown = readFileSync(join(root, document), "utf8");
  const blocks = document.startsWith("docs/recipes/") ? [] : blocksOf(markdown);
  const slug = document.replaceAll(/\W+/g, "-");

  test(`${document}: links lead to files`, () => {
    const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, "").replaceAll(/`[^`\n]*`/g, "");
    for (const [, target] of prose.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g))
      if (!/^[a-z]+:/.test(target!))
        assert.ok(existsSync(join(root, dirname(document), target!)), `${target}`);
  });

  const typed = blocks.filter(({ language }) => /^(ts|js|mts|mjs|typescript|javascript)$/.test(language));
  if (typed.length > 0) {
    test(`${document}: code is type-checked`, () => {
      const { folder } = project(`${slug}types`);
      const files = typed.map(({ line, marks, language, text }) => {
        const file = `line-${line}/${marks["file"] ?? `block.${language}`}`;
        mkdirSync(dirname(join(folder, file)));
        writeFileSync(join(folder, file), text);
        return file;
      });
      symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"));
      const compilerOptions = {
        module: "nodenext",
        target: "es2024",
        types: ["node"],
        strict: true,
        allowJs: true,
        checkJs: true,
        noEmit: true,
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
      assert.equal(status, 0, stdout);
    });
  }

  const digests = blocks.filter(
    ({ marks }) => marks["sha256"] !== undefined || marks["receipt"] !== undefined,
  );
  if (digests.length > 0) {
    test(`${document}: digests are those of what is shown`, () => {
      for (const { line, marks, text } of digests) {
        if (marks["sha256"] !== undefined)
          assert.equal(hash("sha256", text), marks["sha256"], `line ${line}`);
        else {
          const [, length, note, digest] = /^(\d+):(.*)\n([0-9a-f]{64})$/.exec(text) ?? [];
          assert.equal(Buffer.byteLength(note ?? ""), Number(length), `line ${line}`);
          assert.equal(hash("sha256", note!), digest, `line ${line}`);
          assert.equal(digest, marks["receipt"], `line ${line}`);
        }
      }
    });
  }

  const sections = Map.groupBy(blocks, ({ section }) => section);
  for (const [section, inSection] of sections) {
    if (!inSection.some(({ language }) => language === "sh")) continue;
    test(`${document}: "${section}" runs as shown`, () => {
      const { folder, sh } = project(`${slug}${inSection[0]!.line}`);
      let printed: string | undefined;
      for (const { line, language, marks, text } of inSection) {
        if (marks["file"] !== undefined) writeFileSync(join(folder, marks["file"]), `${text}\n`);
        else if (language === "sh") {
          const done = sh(text);
          printed = done.printed;
          // `diff` says by exit code 1 that there are differences, which is no failure.
          const expected = /^alamode diff\b/.test(text.split("\n").at(-1)!) ? [0, 1] : [0];
          assert.ok(expected.includes(done.status ?? -1), `line ${line}: exit ${done.status}\n${printed}`);
          continue;
        } else if (language === "text" && printed !== undefined) {
          assert.deepEqual(
            missing(normal(text), normal(printed)),
            [],
            `line ${line}: of what is shown, in\n${printed}`,
          );
        }
        printed = undefined;
      }
    });
  }
}

test("the README names its two commands", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const [, name] of readme.matchAll(/npm run (\w+)/g)) assert.ok(name! in scripts, `npm run ${name}`);
  assert.match(readme, /npm run demo/);
  assert.match(readme, /npm test/);
});
