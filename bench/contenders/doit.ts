// doit: Python, and a record of digests.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf, prepare, reads, scriptOf, versionOf } from "./files.ts";
import type { Contender } from "./types.ts";

const DODO = `
import json
def task_all():
    with open("tasks.json") as file:
        for name, reads, script in json.load(file):
            yield {"name": name, "actions": [script.replace("%", "%%")], "file_dep": reads, "targets": ["out/" + name]}
`;

export const doit: Contender = {
  name: "doit",
  most: 10_000,
  version: () => versionOf("doit"),
  describe(workload, dir) {
    prepare(workload, dir);
    const tasks = workload.tasks.map(({ name }, at) => [name, reads(workload, at), scriptOf(workload, at)]);
    writeFileSync(join(dir, "tasks.json"), JSON.stringify(tasks));
    writeFileSync(join(dir, "dodo.py"), DODO);
  },
  argv: (jobs) => ["doit", "run", "-v", "0", "-n", String(jobs)],
  output: outputOf,
};
