import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { removeTree } from "../../src/store/remove.ts";
import { build, scratch } from "./scratch.ts";

test("read-only, unreadable and oddly named things are removed, and nothing behind links", async (t) => {
  const dir = scratch(t);
  const kept = build(`${dir}/kept`, { file: "stays" });
  const top = build(`${dir}/tree`, { "a/b/c": "1", "a/empty": null, locked: null, "closed/file": "2" });
  symlinkSync(kept, `${top}/link`);
  writeFileSync(Buffer.concat([Buffer.from(`${top}/a/`), Buffer.from("caf\u00E9", "utf8")]), "");
  chmodSync(`${top}/a/b`, 0o555);
  chmodSync(`${top}/locked`, 0);
  chmodSync(`${top}/closed`, 0o400);
  chmodSync(top, 0o555);
  await removeTree(top);
  assert.ok(!existsSync(top));
  assert.equal(readFileSync(`${kept}/file`, "utf8"), "stays");
});

test("names that are not UTF-8 are removed", async (t) => {
  const top = build(`${scratch(t)}/tree`, {});
  try {
    writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.of(0xff, 0xfe)]), "");
  } catch {
    return t.skip("this file system takes only UTF-8 names");
  }
  await removeTree(top);
  assert.ok(!existsSync(top));
});

test("a file, a link, and nothing are removed by their own names", async (t) => {
  const dir = build(scratch(t), { file: "1", kept: "2", link: { link: "kept" } });
  for (const name of ["file", "link", "nothing"]) await removeTree(`${dir}/${name}`);
  assert.ok(!existsSync(`${dir}/file`));
  assert.ok(existsSync(`${dir}/kept`));
});

test("folders nested deeper than a path can name are removed", async (t) => {
  const top = build(`${scratch(t)}/tree`, {});
  const name = "d".repeat(200);
  const script = `cd "$0"; for i in $(seq 60); do mkdir ${name}; cd -P ${name} || exit 1; echo 1 > f; done`;
  execFileSync("sh", ["-c", script, top]);
  await removeTree(top);
  assert.ok(!existsSync(top));
});
