// What calling the command costs beyond Node.js itself: each call in turn with `node -e 0`, so that both meet the same machine.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { alamode, MAIN } from "../contenders/alamode.ts";
import { median } from "../measure.ts";
import { workload } from "../workload.ts";
import type { Micro, MicroRow } from "./types.ts";

const CALLS = [
  "--version",
  "--help",
  "run",
  "status",
  "ls",
  "runs",
  "path t0000999",
  "show t0000999",
  "diff 1 1",
];
const ROUNDS = 15;

export const startUp: Micro = async (dir) => {
  mkdirSync(dir, { recursive: true });
  alamode.describe(workload("layered", 1000), dir);
  const call = (...args: readonly string[]) => {
    const startedMs = performance.now();
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: dir, encoding: "utf8" });
    if (status !== 0) throw new Error(`${args.join(" ")}: exit ${status}\n${stderr}`);
    return performance.now() - startedMs;
  };
  call(MAIN, "run", "-f", "bench.dag", "--store", ".alamode");
  const bare: number[] = [];
  const took = new Map(CALLS.map((text) => [text, [] as number[]]));
  const own = (text: string) => (text.startsWith("-") ? [] : ["-f", "bench.dag", "--store", ".alamode"]);
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(call("-e", "0"));
    for (const [text, all] of took) all.push(call(MAIN, ...text.split(" "), ...own(text)));
  }
  const node = median(bare);
  const rows: MicroRow[] = [{ what: "node -e 0", value: node, unit: "ms" }];
  for (const [text, all] of took) {
    rows.push({
      what: `alamode ${text}, beyond that`,
      value: median(all.map((ms, i) => ms - bare[i]!)),
      unit: "ms",
    });
  }
  return rows;
};
