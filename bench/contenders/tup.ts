// tup: watches what commands read and write, through a file system of its own or by preloading.

import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf, prepare, reads, scriptOf, versionOf } from "./files.ts";
import type { Contender } from "./types.ts";

export const tup: Contender = {
  name: "tup",
  most: 10_000,
  version: () => versionOf("tup"),
  describe(workload, dir) {
    prepare(workload, dir);
    const rules = workload.tasks.map(({ name }, at) => {
      const command = scriptOf(workload, at).replaceAll("%", "%%");
      return `: ${reads(workload, at).join(" ")} |> ^ ${name}^ ${command} |> out/${name}`;
    });
    writeFileSync(join(dir, "Tupfile"), `${rules.join("\n")}\n`);
    if (!existsSync(join(dir, ".tup"))) spawnSync("tup", ["init", "--no-sync"], { cwd: dir });
  },
  argv: (jobs) => ["tup", "--quiet", `-j${jobs}`],
  output: outputOf,
};
