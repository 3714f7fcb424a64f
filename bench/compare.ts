// Us and a peer in turn, on the same workload: A B A B …, so that whatever else the machine does meets both. The first round
// warms up, is checked output by output, and gives the memory; the others are timed, and compared pair by pair.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { alamode } from "./contenders/alamode.ts";
import type { Contender } from "./contenders/types.ts";
import { type Measured, measure, median } from "./measure.ts";
import { changed, expected, type Shape, type Workload, workload } from "./workload.ts";

export const PHASES = ["cold", "noop", "changed"] as const;
export type Phase = (typeof PHASES)[number];

export interface Comparison {
  readonly shape: Shape;
  readonly n: number;
  readonly contenders: readonly Contender[];
  readonly phases: readonly Phase[];
  readonly rounds: number;
  readonly jobs: number;
  /** Absolute folder to work in; it is emptied. */
  readonly dir: string;
}

export interface Row {
  readonly shape: Shape;
  readonly n: number;
  readonly phase: Phase;
  readonly contender: string;
  /** Medians. */
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  /** Medians of ours divided by the peer's in the same round; 1 for us. */
  readonly wallRatio: number;
  readonly cpuRatio: number;
}

export async function compare(asked: Comparison): Promise<Row[]> {
  const { shape, n, phases, rounds } = asked;
  const took = new Map<string, Measured[]>();
  const first = workload(shape, n);
  let contenders = asked.contenders;
  for (let round = 0; round <= rounds; round++) {
    for (const contender of contenders) {
      try {
        for (const [phase, measured] of await oneRound(asked, contender, first, round)) {
          const key = `${phase} ${contender.name}`;
          took.set(key, [...(took.get(key) ?? []), measured]);
        }
      } catch (error) {
        // A peer that cannot do it (tup needs FUSE, say) is told of, and does not end the benchmark; we may not fail.
        if (contender === alamode) throw error;
        const why = error instanceof Error ? error.message : String(error);
        process.stderr.write(`${contender.name}: left out of ${shape} ${n}: ${why}\n`);
        contenders = contenders.filter((one) => one !== contender);
      }
    }
  }
  const shown = phases.flatMap((phase) =>
    contenders.map((contender): Row => {
      const [warm, ...timed] = took.get(`${phase} ${contender.name}`)!;
      const ours = took.get(`${phase} ${alamode.name}`)!.slice(1);
      const ratio = (of: "wallMs" | "cpuMs") => median(ours.map((one, i) => one[of] / timed[i]![of]));
      return {
        shape,
        n,
        phase,
        contender: contender.name,
        wallMs: median(timed.map(({ wallMs }) => wallMs)),
        cpuMs: median(timed.map(({ cpuMs }) => cpuMs)),
        peakBytes: warm!.peakBytes!,
        wallRatio: ratio("wallMs"),
        cpuRatio: ratio("cpuMs"),
      };
    }),
  );
  for (const name of readdirSync(asked.dir)) removeAll(join(asked.dir, name));
  return shown;
}

/** The phases that were asked for, in a folder of its own that is new wherever `cold` is asked for. */
async function oneRound(
  { phases, jobs, ...asked }: Comparison,
  contender: Contender,
  first: Workload,
  round: number,
): Promise<Map<Phase, Measured>> {
  const dir = join(asked.dir, contender.name);
  const call = () => measure(contender.argv(jobs), dir, { env: contender.env ?? {}, memory: round === 0 });
  const took = new Map<Phase, Measured>();
  if (round === 0 || phases.includes("cold")) {
    // Not removed yet: ext4 passes by every inode that was freed in the last five seconds when it makes a new one, which took a
    // sixth of the processor time of whoever ran next.
    if (existsSync(dir)) renameSync(dir, `${dir}-${round}`);
    mkdirSync(dir, { recursive: true });
    contender.describe(first, dir);
    took.set("cold", await call());
    if (round === 0) check(contender, first, dir);
  }
  if (phases.includes("noop")) took.set("noop", await call());
  if (phases.includes("changed")) {
    const other = changed(first, round + 1);
    contender.describe(other, dir);
    took.set("changed", await call());
    if (round === 0) check(contender, other, dir);
  }
  return took;
}

/** Every output of every task. */
function check(contender: Contender, work: Workload, dir: string): void {
  for (const [at, value] of expected(work).entries()) {
    const path = contender.output(work, at, dir);
    const found = readFileSync(path, "utf8");
    if (found !== `${value}\n`)
      throw new Error(`${contender.name}: ${path} holds ${JSON.stringify(found)}, and not ${value}`);
  }
}

/** A store's folders are closed to writing; tup may leave a file system mounted. */
export function removeAll(dir: string): void {
  spawnSync("fusermount", ["-uz", join(dir, ".tup/mnt")]);
  spawnSync("chmod", ["-R", "u+w", dir]);
  rmSync(dir, { recursive: true, force: true });
}
