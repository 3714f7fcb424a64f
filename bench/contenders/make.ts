// GNU make.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf, prepare, reads, scriptOf, versionOf } from "./files.ts";
import type { Contender } from "./types.ts";

export const make: Contender = {
  name: "make",
  most: 1_000_000,
  version: () => versionOf("make"),
  describe(workload, dir) {
    prepare(workload, dir);
    const goals = new Set(workload.tasks.map((_, at) => at));
    for (const { inputs } of workload.tasks) for (const input of inputs) goals.delete(input);
    const lines = [`all: ${[...goals].map((at) => `out/${workload.tasks[at]!.name}`).join(" ")}`];
    for (const [at, { name }] of workload.tasks.entries()) {
      lines.push(`out/${name}: ${reads(workload, at).join(" ")}`);
      lines.push(`\t@${scriptOf(workload, at).replaceAll("$", "$$$$")}`);
    }
    writeFileSync(join(dir, "Makefile"), `${lines.join("\n")}\n`);
  },
  argv: (jobs) => ["make", "--silent", "--no-builtin-rules", "-j", String(jobs)],
  output: outputOf,
};
