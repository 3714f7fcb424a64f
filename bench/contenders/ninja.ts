// ninja: the floor of what a build tool that keeps no digests, logs and history can take.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf, prepare, reads, scriptOf, versionOf } from "./files.ts";
import type { Contender } from "./types.ts";

export const ninja: Contender = {
  name: "ninja",
  most: 1_000_000,
  version: () => versionOf("ninja"),
  describe(workload, dir) {
    prepare(workload, dir);
    const lines = ["rule task", "  command = $script"];
    for (const [at, { name }] of workload.tasks.entries()) {
      lines.push(`build out/${name}: task ${reads(workload, at).join(" ")}`);
      lines.push(`  script = ${scriptOf(workload, at).replaceAll("$", "$$$$")}`);
    }
    writeFileSync(join(dir, "build.ninja"), `${lines.join("\n")}\n`);
  },
  argv: (jobs) => ["ninja", "--quiet", "-j", String(jobs)],
  output: outputOf,
};
