// snakemake: rules over file names, one rule a task here.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf, prepare, reads, scriptOf, versionOf } from "./files.ts";
import type { Contender } from "./types.ts";

export const snakemake: Contender = {
  name: "snakemake",
  most: 1_000,
  version: () => versionOf("snakemake"),
  describe(workload, dir) {
    prepare(workload, dir);
    const goals = new Set(workload.tasks.map((_, at) => at));
    for (const { inputs } of workload.tasks) for (const input of inputs) goals.delete(input);
    const all = JSON.stringify([...goals].map((at) => `out/${workload.tasks[at]!.name}`));
    const rules = workload.tasks.map(({ name }, at) => {
      const command = JSON.stringify(scriptOf(workload, at).replaceAll("{", "{{").replaceAll("}", "}}"));
      const files = JSON.stringify(reads(workload, at));
      return `rule ${name}:\n  input: ${files}\n  output: "out/${name}"\n  shell: ${command}`;
    });
    writeFileSync(join(dir, "Snakefile"), `rule all:\n  input: ${all}\n${rules.join("\n")}\n`);
  },
  argv: (jobs) => ["snakemake", "--quiet", "--cores", String(jobs)],
  output: outputOf,
};
