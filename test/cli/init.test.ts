import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { init } from "../../src/cli/commands/init.ts";
import { loadPipeline } from "../../src/cli/load-pipeline.ts";
import { loadSettings } from "../../src/cli/settings.ts";
import { goalsOf } from "../../src/plan/graph.ts";

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "alamode-init-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  t.mock.method(process.stdout, "write", () => true);
  return folder;
}

test("the first pipeline loads as it is: a fan-out and one report", async (t) => {
  const folder = join(scratch(t), "new");
  assert.equal(await init(folder), 0);
  const settings = await loadSettings(folder);
  const { plan, name, warnings } = await loadPipeline({
    cwd: folder,
    project: folder,
    settings,
    options: {},
    flags: "",
    storeDir: join(folder, ".alamode"),
    recordFile: join(folder, ".alamode/record.db"),
  });
  assert.equal(name, "first");
  assert.deepEqual(warnings, []);
  assert.deepEqual(goalsOf(plan), ["report"]);
  assert.equal(Object.keys(plan.tasks).filter((task) => task.startsWith("count/")).length, 3);
});

test("nothing that is there is written over", async (t) => {
  const folder = scratch(t);
  writeFileSync(join(folder, "pipeline.ts"), "mine");
  assert.equal(await init(folder), 0);
  assert.equal(readFileSync(join(folder, "pipeline.ts"), "utf8"), "mine");
  assert.ok(existsSync(join(folder, "alamode.config.ts")));
  await assert.rejects(init(folder), { code: "exists" });
});
