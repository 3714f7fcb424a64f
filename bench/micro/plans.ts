// Describe, encode, save, load and verify plans of 10⁴ to 10⁶ tasks with 3 dependencies each; every size in a process of its own,
// so that its memory is its own too.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Micro, MicroRow } from "./types.ts";

const SIZES = [10_000, 100_000, 1_000_000];
const STEP = join(import.meta.dirname, "plan-step.ts");

export const plans: Micro = async (dir) => {
  mkdirSync(dir, { recursive: true });
  return SIZES.flatMap((n): MicroRow[] => {
    const file = join(dir, `${n}.dag`);
    const step = (what: "save" | "load") => {
      const args = ["--max-old-space-size=8192", STEP, what, String(n), file];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout) as Record<string, number>;
    };
    const saved = step("save");
    const loaded = step("load");
    const mb = (bytes: number | undefined) => bytes! / 1e6;
    return [
      { what: `${n} tasks: describe`, value: saved["describeMs"]! / 1000, unit: "s" },
      { what: `${n} tasks: encode and save`, value: saved["saveMs"]! / 1000, unit: "s" },
      { what: `${n} tasks: plan file`, value: mb(loaded["fileBytes"]), unit: "MB" },
      { what: `${n} tasks: load and verify`, value: loaded["loadMs"]! / 1000, unit: "s" },
      { what: `${n} tasks: peak memory of that`, value: mb(loaded["peakBytes"]), unit: "MB" },
      {
        what: `${n} tasks: that, less 200 MB, over the file's size`,
        value: (loaded["peakBytes"]! - 200e6) / loaded["fileBytes"]!,
        unit: "",
      },
    ];
  });
};
