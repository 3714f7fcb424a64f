// The recipes, typed from their text from an empty folder with the package as it is packed: each file is written, each command
// run, in the order in which they stand, and what is shown must be what is printed.
//   ```<any> file=NAME      is written below the folder that the commands before it went to
//   ```sh                   is run there; it must end well, or with exit=N
//   ```<any> needs=s3       is left out where no S3 server can be started
//   ```text after a ```sh   is what that printed, but for durations, columns and lines left out
// Packages come from npm's and pip's registries or caches, as for a user.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, test } from "node:test";
import { removeTree } from "../src/store/remove.ts";
import { type Ceph, startCeph, whyNoCeph } from "./ceph.ts";
import { cliEnv, cliNode } from "./cli-runner.ts";
import { blocksOf, missing, normal } from "./documents.ts";

const root = dirname(import.meta.dirname);
const top = realpathSync(mkdtempSync(join(tmpdir(), "alamode-recipes-")));
after(() => removeTree(top));

assert.ok(existsSync(join(root, "dist/index.js")), "dist/ is missing: npm run build");
const packed = spawnSync("npm", ["pack", "--ignore-scripts", "--pack-destination", top], {
  cwd: root,
  encoding: "utf8",
});
assert.equal(packed.status, 0, packed.stderr);

/** The example that a recipe ends at: files of the same name are the same. */
const examples: Readonly<Record<string, string>> = { "daily-load.md": "daily", "sample-sheet.md": "sweep" };

const needs: Readonly<Record<string, readonly string[]>> = {
  "daily-load.md": ["python3", "bash"],
  "sample-sheet.md": ["python3", "bash"],
};

for (const document of globSync("docs/recipes/*.md", { cwd: root }).sort()) {
  const name = basename(document);
  const lacking = (needs[name] ?? []).filter((program) => spawnSync(program, ["--version"]).status !== 0);
  const skip = lacking.length === 0 ? false : `there is no ${lacking.join(", ")}`;
  test(`${document}: typed from its text, it does what it says`, { skip }, async (t) => {
    const folder = join(top, name.replace(/\.md$/, ""));
    mkdirSync(folder);
    for (const tarball of globSync("*.tgz", { cwd: top }))
      copyFileSync(join(top, tarball), join(folder, tarball));
    const blocks = blocksOf(readFileSync(join(root, document), "utf8"));
    const ceph =
      blocks.some(({ marks }) => marks["needs"] === "s3") && whyNoCeph() === undefined
        ? await startCeph()
        : undefined;
    t.after(() => ceph?.stop());
    const session = shell(folder, ceph === undefined ? {} : s3Env(ceph));
    let printed: string | undefined;
    const written = new Map<string, { readonly path: string; readonly text: string }>();
    for (const { line, language, marks, text } of blocks) {
      if (marks["needs"] === "s3" && ceph === undefined) {
        printed = undefined;
        continue;
      }
      if (marks["file"] !== undefined) {
        const path = join(session.cwd(), marks["file"]);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, `${text}\n`);
        written.set(marks["file"], { path, text: `${text}\n` });
      } else if (language === "sh") {
        const done = session.run(text);
        printed = done.printed;
        if (
          done.status !== 0 &&
          /cannot be reached|npm error code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT)/.test(printed)
        )
          return t.skip("no registry is in reach");
        assert.equal(
          done.status,
          Number(marks["exit"] ?? 0),
          `line ${line}: exit ${done.status}\n${printed}`,
        );
      } else if (language === "text" && printed !== undefined) {
        const lost = missing(normal(text), normal(printed));
        assert.deepEqual(lost, [], `line ${line}: of what is shown, in\n${printed}`);
      }
    }
    const paths = [...written.values()].map(({ path }) => path);
    assert.equal(typeErrors(paths.filter((path) => path.endsWith(".ts"))), "");
    for (const [file, { text }] of written) {
      const inExample = join(root, "examples", examples[name] ?? "none", file);
      if (existsSync(inExample)) assert.equal(text, readFileSync(inExample, "utf8"), file);
    }
  });
}

/** What the compiler says of an author's files. */
function typeErrors(files: readonly string[]): string {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags =
    "--ignoreConfig --noEmit --strict --skipLibCheck --module preserve --target es2024 --allowImportingTsExtensions --types node --typeRoots";
  const { stdout } = spawnSync(
    process.execPath,
    [tsc, ...flags.split(" "), join(root, "node_modules/@types"), ...files],
    { encoding: "utf8" },
  );
  return stdout;
}

/** Where a user's own tools would find the server and their keys. */
function s3Env({ endpoint, accessKeyId, secretAccessKey }: Ceph): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: "us-east-1",
    AWS_REQUEST_CHECKSUM_CALCULATION: "WHEN_REQUIRED",
  };
}

/** Commands as typed one after the other into one shell: its folder and its variables are kept. */
function shell(
  folder: string,
  variables: Readonly<Record<string, string>>,
): {
  cwd(): string;
  run(script: string): { status: number | null; printed: string };
} {
  const kept = join(folder, ".shell");
  const where = join(folder, ".folder");
  writeFileSync(kept, "");
  writeFileSync(where, `${folder}\n`);
  const env = cliEnv({ ...variables, PATH: `${dirname(cliNode)}:${process.env["PATH"]}` });
  const cwd = () => readFileSync(where, "utf8").trimEnd();
  return {
    cwd,
    run(script) {
      const whole = `. '${kept}'\nexec 2>&1\nset -e\ntrap 'code=$?; export -p > "${kept}"; pwd > "${where}"; exit $code' EXIT\n${script}\n`;
      const { status, stdout } = spawnSync("/bin/sh", ["-c", whole], { cwd: cwd(), env, encoding: "utf8" });
      return { status, printed: stdout };
    },
  };
}
