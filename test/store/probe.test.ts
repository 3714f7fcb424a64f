// A store that is not on one file system cannot take outputs in as a whole, and is refused.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { AlamodeError } from "../../src/errors.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { scratch } from "./scratch.ts";

const OTHER = "/dev/shm";

test("a store whose outputs lie on another file system than its scratch area is refused, and left as it was", async (t) => {
  const dir = scratch(t);
  if (!existsSync(OTHER) || statSync(OTHER).dev === statSync(dir).dev)
    return t.skip("there is one file system only");
  const elsewhere = mkdtempSync(join(OTHER, "alamode-"));
  t.after(() => rmSync(elsewhere, { recursive: true }));
  for (const name of ["outputs", "tmp"]) {
    const root = join(dir, name);
    mkdirSync(root);
    symlinkSync(elsewhere, join(root, name));
    await assert.rejects(openFolderStore(root), (error: AlamodeError) => {
      assert.equal(error.code, "store-unusable");
      assert.match(error.message, /different file systems/);
      assert.match(error.hint ?? "", /one ordinary local or NFS file system/);
      return true;
    });
    assert.deepEqual(readdirSync(elsewhere), [], "what was tried is gone");
  }
});
