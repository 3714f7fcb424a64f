// wireit and turbo: tools of the npm world, which run scripts of package.json. They are looked for on PATH.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Workload } from "../workload.ts";
import { outputOf, prepare, reads, scriptOf, versionOf } from "./files.ts";
import type { Contender } from "./types.ts";

const TELEMETRY_OFF = { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", CI: "1" };

export const wireit: Contender = {
  name: "wireit",
  most: 1_000,
  // It only runs as npm's child, and has no option that tells its version.
  version: () => (versionOf("sh", "-c", "command -v wireit") === undefined ? undefined : "wireit"),
  describe(workload, dir) {
    prepare(workload, dir);
    const scripts: Record<string, string> = { all: "wireit" };
    const tasks: Record<string, unknown> = { all: { dependencies: goalsOf(workload) } };
    for (const [at, { name, inputs }] of workload.tasks.entries()) {
      scripts[name] = "wireit";
      tasks[name] = {
        command: scriptOf(workload, at),
        dependencies: inputs.map((input) => workload.tasks[input]!.name),
        files: reads(workload, at).filter((file) => !file.includes("/")),
        output: [`out/${name}`],
      };
    }
    writeFileSync(join(dir, "package.json"), JSON.stringify({ name: "bench", scripts, wireit: tasks }));
  },
  argv: () => ["npm", "run", "--silent", "all"],
  env: { WIREIT_LOGGER: "quiet", ...TELEMETRY_OFF },
  output: outputOf,
};

export const turbo: Contender = {
  name: "turbo",
  most: 1_000,
  version: () => versionOf("turbo"),
  describe(workload, dir) {
    prepare(workload, dir);
    const scripts: Record<string, string> = {};
    const tasks: Record<string, unknown> = {};
    for (const [at, { name, inputs }] of workload.tasks.entries()) {
      scripts[name] = scriptOf(workload, at);
      tasks[`//#${name}`] = {
        dependsOn: inputs.map((input) => `//#${workload.tasks[input]!.name}`),
        inputs: reads(workload, at),
        outputs: [`out/${name}`],
      };
    }
    scripts["all"] = "true";
    tasks["//#all"] = { dependsOn: goalsOf(workload).map((name) => `//#${name}`), cache: false };
    mkdirSync(join(dir, "packages"), { recursive: true });
    const name = { name: "bench", packageManager: "npm@10.0.0", workspaces: ["packages/*"] };
    writeFileSync(join(dir, "package.json"), JSON.stringify({ ...name, scripts }));
    writeFileSync(
      join(dir, "package-lock.json"),
      JSON.stringify({ name: "bench", lockfileVersion: 3, packages: {} }),
    );
    writeFileSync(join(dir, "turbo.json"), JSON.stringify({ tasks }));
  },
  argv: (jobs) => ["turbo", "run", "all", `--concurrency=${Math.max(jobs, 1)}`, "--output-logs=none"],
  env: TELEMETRY_OFF,
  output: outputOf,
};

function goalsOf({ tasks }: Workload): string[] {
  const needed = new Set(tasks.flatMap(({ inputs }) => [...inputs]));
  return tasks.filter((_, at) => !needed.has(at)).map(({ name }) => name);
}
