// What the peers have in common: tasks that write `out/<name>`, and the middle task's number in a file, since several of them
// do not notice a changed command.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchTask, script, type Workload } from "../workload.ts";

export const SALT = "salt";

export function prepare({ tasks, middle }: Workload, dir: string): void {
  mkdirSync(join(dir, "out"), { recursive: true });
  writeFileSync(join(dir, SALT), `${tasks[middle]!.salt}\n`);
}

export function outputOf({ tasks }: Workload, task: number, dir: string): string {
  return join(dir, "out", tasks[task]!.name);
}

/** Files that the task reads. */
export function reads({ tasks, middle }: Workload, task: number): string[] {
  const files = tasks[task]!.inputs.map((input) => `out/${tasks[input]!.name}`);
  return task === middle ? [...files, SALT] : files;
}

export function scriptOf(workload: Workload, task: number): string {
  const { name }: BenchTask = workload.tasks[task]!;
  const places = { from: "out", to: `out/${name}` };
  return script(
    workload,
    workload.tasks[task]!,
    task === workload.middle ? { ...places, saltFile: SALT } : places,
  );
}

/** The first line that a program prints about its version; undefined where it is not there. */
export function versionOf(program: string, ...args: readonly string[]): string | undefined {
  const asked = spawnSync(program, args.length > 0 ? args : ["--version"], { encoding: "utf8" });
  return asked.status === 0 ? asked.stdout.trim().split("\n")[0] : undefined;
}
