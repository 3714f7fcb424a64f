// tup: watches what commands read and write, through a file system of its own or by preloading.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf, prepare, reads, scriptOf, versionOf } from "./files.ts";
import type { Contender } from "./types.ts";

export const tup: Contender = {
  name: "tup",
  most: 10_000,
  version: () => versionOf("tup"),
  describe(workload, dir) {
    prepare(workload, dir);
    mkdirSync(join(dir, "run"), { recursive: true });
    const rules = workload.tasks.map(({ name }, at) => {
      // In a file, since tup takes what follows a dollar for a variable of its own, and has no way to say otherwise.
      writeFileSync(join(dir, "run", name), `${scriptOf(workload, at)}\n`);
      return `: ${reads(workload, at).join(" ")} |> ^ ${name}^ /bin/sh run/${name} |> out/${name}`;
    });
    writeFileSync(join(dir, "Tupfile"), `${rules.join("\n")}\n`);
    if (!existsSync(join(dir, ".tup"))) spawnSync("tup", ["init", "--no-sync"], { cwd: dir });
  },
  argv: (jobs) => ["tup", "--quiet", `-j${jobs}`],
  output: outputOf,
};
