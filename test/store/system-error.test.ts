import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { AlamodeError } from "../../src/errors.ts";
import { systemError } from "../../src/store/system-error.ts";
import { scratch } from "./scratch.ts";

test("system errors are told as what they are, with the way out", () => {
  const expected = {
    ENOSPC: ["no-space", /no space is left/, /df -h/],
    EDQUOT: ["no-space", /quota/, /quota/],
    EMFILE: ["too-many-files", /too many files open/, /ulimit -n/],
    ENFILE: ["too-many-files", /too many files open/, /ulimit -n/],
    EXDEV: ["store-unusable", /different file systems/, /one file system/],
    EROFS: ["store-unusable", /read-only/, /--store/],
    EACCES: ["no-permission", /denied/, /owner/],
    EIO: ["system-error", /hashing a: disk on fire/, undefined],
  } as const;
  for (const [errno, [code, message, hint]] of Object.entries(expected)) {
    const cause = Object.assign(new Error("disk on fire"), { code: errno, path: "/a" });
    const told = systemError(cause, "hashing a", { task: "blur" });
    assert.ok(told instanceof AlamodeError);
    assert.equal(told.code, code);
    assert.match(told.message, message);
    assert.ok(told.message.startsWith("hashing a: ") && told.message.endsWith(`(${errno})`), told.message);
    assert.deepEqual(told.facts, { task: "blur", path: "/a" });
    if (hint !== undefined) assert.match(told.hint ?? "", hint);
    assert.equal(told.cause, cause);
  }
});

test("errors that are no system errors, and those told already, come back as they are", () => {
  for (const error of [new AlamodeError("bad-output", "x"), new TypeError("a bug"), "text", undefined]) {
    assert.equal(systemError(error, "doing"), error);
  }
});

test("a process that may open too few files is told so", (t) => {
  const module = fileURLToPath(new URL("../../src/store/seal.ts", import.meta.url));
  const dir = scratch(t);
  const script = `
    import { mkdirSync, openSync, writeFileSync } from "node:fs";
    import { seal } from ${JSON.stringify(module)};
    mkdirSync("OUTPUT/sub", { recursive: true });
    writeFileSync("OUTPUT/file", "");
    try { for (;;) openSync("OUTPUT/file"); } catch {}
    await seal("OUTPUT", {}).catch((error) => process._rawDebug(error.code, error.hint));`;
  const shell = 'ulimit -n 64 && exec "$0" --input-type=module-typescript -e "$1" 2>&1';
  const said = execFileSync("sh", ["-c", shell, process.execPath, script], { cwd: dir, encoding: "utf8" });
  assert.match(said, /^too-many-files Allow more with `ulimit -n/m);
});
