import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { loadSettings } from "../../src/cli/settings.ts";
import { findProject } from "../../src/plan/project-folder.ts";
import { locate } from "../../src/project.ts";

function scratch(t: TestContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "alamode-settings-")));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function withSettings(t: TestContext, content: string): string {
  const folder = scratch(t);
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(join(folder, "alamode.config.ts"), content);
  return folder;
}

test("a project's settings are found from the folders below it", async (t) => {
  const folder = withSettings(t, 'export default { jobs: 3, store: "results", keepGoing: true };');
  mkdirSync(join(folder, "deep/er"), { recursive: true });
  assert.equal(findProject(join(folder, "deep/er")), folder);
  assert.deepEqual(await loadSettings(join(folder, "deep/er")), {
    jobs: 3,
    store: "results",
    keepGoing: true,
  });
});

test("no file, no settings", async (t) => {
  assert.deepEqual(await loadSettings(scratch(t)), {});
});

test("unknown and wrong settings are errors that say what is right", async (t) => {
  const wrong: [string, RegExp, RegExp][] = [
    [
      "export default { pipelin: 'x' };",
      /no setting "pipelin"\. Near: pipeline\./,
      /^Known: pipeline, store/,
    ],
    ["export default { jobs: 0 };", /jobs must be a whole number of at least 1/, /It is 0\./],
    ["export default { keepGoing: 'yes' };", /keepGoing must be true or false/, /"yes"/],
    ["export default { store: 7 };", /store must be text/, /7/],
    ["export default { cacheSize: '20' };", /cacheSize must be bytes, or text such as "500MB"/, /"20"/],
    ["export default { places: { '/ref': 'mnt' } };", /places must be a map of absolute paths/, /mnt/],
    ["export default { options: ['align/*'] };", /options must be a map of task names or patterns/, /align/],
    ["export const jobs = 3;", /no default export/, /export default/],
  ];
  for (const [content, message, hint] of wrong) {
    await assert.rejects(loadSettings(withSettings(t, content)), { code: "bad-settings", message, hint });
  }
});

test("the cache may be small, and its size is said as other sizes are", (t) => {
  const folder = scratch(t);
  const capOf = (cacheSize?: number | string) =>
    locate({ cwd: folder, settings: cacheSize === undefined ? {} : { cacheSize } }).cache.capBytes;
  assert.deepEqual(
    [capOf(), capOf(1000), capOf("500MB"), capOf("0.5GiB")],
    [20 * 2 ** 30, 1000, 5e8, 2 ** 29],
  );
  assert.throws(() => capOf("much"), { code: "bad-settings", message: /much/ });
});

test("wrong options of a pattern are told with file, pattern and what is near", async (t) => {
  const folder = withSettings(t, "export default { options: { 'align/*': { retrys: 2 } } };");
  await assert.rejects(loadSettings(folder), {
    code: "bad-options",
    message: /alamode\.config\.ts: options for "align\/\*": "retrys" is not an option$/,
    hint: 'Did you mean "retries"?',
  });
});

test("flags win over the environment, that over the settings, and those over .alamode in the project", (t) => {
  const folder = scratch(t);
  writeFileSync(join(folder, "package.json"), "{}");
  mkdirSync(join(folder, "sub"));
  const cwd = join(folder, "sub");
  const { ALAMODE_STORE, ALAMODE_RECORD } = process.env;
  t.after(() => {
    for (const [name, value] of Object.entries({ ALAMODE_STORE, ALAMODE_RECORD })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  delete process.env["ALAMODE_STORE"];
  delete process.env["ALAMODE_RECORD"];
  const record = join(folder, ".alamode/record.db");
  assert.deepEqual(locate({ cwd }), {
    project: folder,
    store: join(folder, ".alamode"),
    storeDir: join(folder, ".alamode"),
    cache: { dir: join(folder, ".alamode/cache"), capBytes: 20 * 2 ** 30 },
    record,
  });
  const settings = { store: "set", record: "set.db" };
  assert.equal(locate({ cwd, settings }).storeDir, join(folder, "set"));
  assert.equal(locate({ cwd, settings }).record, join(folder, "set.db"));
  process.env["ALAMODE_STORE"] = "env";
  assert.equal(locate({ cwd, settings }).storeDir, join(cwd, "env"));
  assert.equal(locate({ cwd, settings, store: "flag" }).storeDir, join(cwd, "flag"));
  assert.equal(locate({ cwd, settings, store: "/flag" }).storeDir, "/flag");
});
