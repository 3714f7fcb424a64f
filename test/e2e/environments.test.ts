// Environments as a user makes them, with real packages of npm and PyPI. Skipped, with the reason, where there is no npm or pip
// for steps, or no registry in reach.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Project, project } from "./project.ts";

/** Programs as steps find them. */
const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: process.env["HOME"] };
const has = (...argv: [string, ...string[]]) => spawnSync(argv[0], argv.slice(1), { env }).status === 0;
const noNpm = has("npm", "--version") ? false : "steps find no npm here";
const noPip = has("python3", "-m", "pip", "--version") ? false : "steps find no pip here";

const pipeline = (body: string) => `import { Dag, files, nodeEnv, pythonEnv } from "a-la-mode";
const dag = new Dag({ name: "test" });
${body}
export default dag;
`;

// Two packages that this repository's own lock file names, so that npm's cache has them.
const locked = JSON.parse(readFileSync(join(import.meta.dirname, "../../package-lock.json"), "utf8")) as {
  packages: Record<string, { version: string; integrity: string }>;
};
const packageOf = (name: string) => {
  const { version, integrity } = locked.packages[`node_modules/${name}`]!;
  return { version, integrity };
};
const NODE = (change = (text: string) => text) => {
  const dependencies = { croner: packageOf("croner").version, semver: packageOf("semver").version };
  const root = { name: "own", version: "1.0.0", dependencies };
  const packages = {
    "": root,
    "node_modules/croner": packageOf("croner"),
    "node_modules/semver": { ...packageOf("semver"), bin: { semver: "bin/semver.js" } },
  };
  return {
    "package.json": JSON.stringify({ ...root, type: "module", private: true }),
    "package-lock.json": change(
      JSON.stringify({ name: "own", version: "1.0.0", lockfileVersion: 3, requires: true, packages }),
    ),
  };
};

/** A registry that does not answer is told of before the test is taken for one that hangs. */
const IMPATIENT = { npm_config_fetch_timeout: "20000", PIP_DEFAULT_TIMEOUT: "20" };

/** Runs it; where no registry is in reach, the test is skipped and this gives undefined. */
async function installed(t: TestContext, here: Project, args = ["run"]): Promise<string | undefined> {
  const { code, stdout, stderr } = await here.alamode(args, { env: IMPATIENT });
  if (/cannot be reached/.test(stdout + stderr)) {
    t.skip("no registry is in reach");
    return undefined;
  }
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

test("packages of npm: import, require and their programs, installed once and the same each time", {
  skip: noNpm,
}, async (t) => {
  const here = project(t, {
    ...NODE(),
    "day.mjs":
      'import { Cron } from "croner"; console.log(new Cron("0 0 * * 0").nextRun("2026-01-01T00:00:00Z").getUTCDay());',
    "pipeline.ts": pipeline(`const env = dag.task("env", nodeEnv("package-lock.json"));
      dag.task("imports", { command: "node day.mjs > $OUTPUT", files: files("day.mjs") }).after(env);
      dag.task("requires", { command: ["node", "-e", "require('fs').writeFileSync(process.env.OUTPUT, require('semver').inc('1.2.3', 'minor'))"] }).after(env);
      dag.task("program", { command: "semver 1.2.3 0.9.0 > $OUTPUT" }).after({ "node packages": env });`),
  });
  if ((await installed(t, here)) === undefined) return;
  const text = async (task: string) => readFileSync((await here.done(["path", task])).trim(), "utf8");
  assert.equal(await text("imports"), "0\n");
  assert.equal(await text("requires"), "1.3.0");
  assert.equal(await text("program"), "0.9.0\n1.2.3\n");
  const place = (await here.done(["path", "env"])).trim();
  assert.ok(lstatSync(join(place, "node_modules/.bin/semver")).isSymbolicLink());
  assert.equal(
    realpathSync(join(place, "node_modules/.bin/semver")),
    join(place, "node_modules/semver/bin/semver.js"),
  );
  assert.match(await here.done(["run"]), /4 tasks: 4 reused/);
  assert.match(await here.done(["verify", "env"]), /env +same/);
  const shell = await here.alamode(["shell", "imports"], {
    env: { SHELL: "/bin/sh" },
    input: "semver 4.0.0; node day.mjs\n",
  });
  assert.equal(shell.stdout, "4.0.0\n0\n", "a shell has it too");
  assert.match(await here.done(["run", "--force", "imports"]), /● imports/);
});

test("a package that is not the locked one is refused by one line", { skip: noNpm }, async (t) => {
  const other = `sha512-${Buffer.alloc(64).toString("base64")}`;
  const here = project(t, {
    ...NODE((text) => text.replace(packageOf("semver").integrity, other)),
    "pipeline.ts": pipeline(`dag.task("env", nodeEnv("package-lock.json"));`),
  });
  const { code, stdout } = await here.alamode(["run"], { env: IMPATIENT });
  if (/cannot be reached/.test(stdout)) return t.skip("no registry is in reach");
  assert.equal(code, 1, stdout);
  assert.match(stdout, /nodeEnv: a package is not the one that is locked: its integrity differs/);
});

const HUMANIZE =
  "humanize==4.9.0 --hash=sha256:ce284a76d5b1377fd8836733b983bfb0b76f1aa1c090de2566fcf008d7f6ab16\n";

test("packages of PyPI: imports and scripts, checked by their hashes, the same each time", {
  skip: noPip,
}, async (t) => {
  const hashes =
    "pyfiglet==1.0.2 --hash=sha256:889b351d79c99e50a3f619c8f8e6ffdb27fd8c939fc43ecbd7559bd57d5f93ea\n";
  const here = project(t, {
    "requirements.txt": HUMANIZE + hashes,
    "say.py": "import humanize, pyfiglet\nprint(humanize.intcomma(1234567), pyfiglet.__version__)\n",
    "pipeline.ts": pipeline(`const env = dag.task("env", pythonEnv("requirements.txt"), { retries: 1 });
      dag.task("import", { command: "python3 say.py > $OUTPUT", files: files("say.py") }).after(env);
      dag.task("script", { command: "pyfiglet -f banner hi > $OUTPUT" }).after(env);`),
  });
  if ((await installed(t, here)) === undefined) return;
  const text = async (task: string) => readFileSync((await here.done(["path", task])).trim(), "utf8");
  assert.equal(await text("import"), "1,234,567 1.0.2\n");
  assert.match(await text("script"), /^#{6} #/m);
  assert.match(
    await here.done(["verify"]),
    /3 tasks: 3 same/,
    "bytecode and metadata are the same each time",
  );
  assert.match(await here.done(["run", "--force", "import"]), /● import/, "reading it did not change it");
  const place = (await here.done(["path", "env"])).trim();
  assert.match(readFileSync(join(place, "bin/pyfiglet"), "utf8"), /^#!\/usr\/bin\/env python3\n/);
});

test("a package with another hash than required is refused by one line", { skip: noPip }, async (t) => {
  const here = project(t, {
    "requirements.txt": HUMANIZE.replace("ce284a", "000000"),
    "pipeline.ts": pipeline(`dag.task("env", pythonEnv("requirements.txt"));`),
  });
  const { code, stdout } = await here.alamode(["run"], { env: IMPATIENT });
  if (/cannot be reached/.test(stdout)) return t.skip("no registry is in reach");
  assert.equal(code, 1);
  assert.match(stdout, /pythonEnv: a package is not the one that is required: its hash differs/);
});

test("without a registry in reach, one line says so, in either language", {
  skip: noNpm || noPip,
}, async (t) => {
  const closed = await new Promise<number>((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
  const registry = `http://127.0.0.1:${closed}/`;
  const here = project(t, {
    ...NODE(),
    "requirements.txt": HUMANIZE,
    "pipeline.ts": pipeline(`dag.task("node", nodeEnv("package-lock.json"));
      dag.task("python", pythonEnv("requirements.txt"));`),
  });
  const { code, stdout } = await here.alamode(["run", "--keep-going", "--jobs", "2"], {
    // An empty home: neither a cache nor a configuration of the caller's.
    env: {
      HOME: here.dir,
      npm_config_registry: registry,
      npm_config_fetch_retries: "0",
      PIP_INDEX_URL: registry,
      PIP_FIND_LINKS: undefined,
      PIP_CONFIG_FILE: "/dev/null",
      NO_PROXY: "127.0.0.1",
      no_proxy: "127.0.0.1",
      PIP_RETRIES: "1",
    },
  });
  assert.equal(code, 1);
  assert.match(stdout, /nodeEnv: the packages could not be fetched: .* cannot be reached \(ECONNREFUSED\)/);
  assert.match(stdout, /pythonEnv: the packages could not be fetched: .* cannot be reached/);
  assert.doesNotMatch(stdout, /at \w+.*\.js:\d+|Retrying|No matching distribution/);
});

test("requirements that are not pinned are warned of, once, before anything runs", async (t) => {
  const here = project(t, {
    "requirements.txt": "humanize\n",
    "pipeline.ts": pipeline(`dag.task("env", pythonEnv("requirements.txt"));
      dag.task("other", pythonEnv("requirements.txt", { python: "python3.11" }));`),
  });
  const { stderr } = await here.alamode(["run", "--dry-run"]);
  assert.equal(stderr.match(/humanize may mean another version tomorrow/g)?.length, 1, stderr);
});
