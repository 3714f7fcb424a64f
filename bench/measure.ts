// One command from start to end: wall time, processor time of all it started, and (asked for) the tree's peak memory.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Measured {
  readonly wallMs: number;
  /** User and system, of the command and of all that it waited for. */
  readonly cpuMs: number;
  /** Highest sum of the whole process tree's resident memory that was seen; undefined where it was not asked for. */
  readonly peakBytes?: number;
}

const SAMPLE_MS = 20;
/** `times` tells of the shell, and then of what it waited for, as `0m1.25s 0m0.50s`. */
const TIMED = '"$@" >/dev/null 2>&3; s=$?; times; exit $s';

/** Runs `argv` in `dir`. Throws, with the end of its stderr, where it fails. */
export async function measure(
  argv: readonly string[],
  dir: string,
  { env = {}, memory = false }: { env?: Readonly<Record<string, string>>; memory?: boolean } = {},
): Promise<Measured> {
  const errors = join(dir, ".errors");
  const fd = openSync(errors, "w");
  const startedMs = performance.now();
  const child = spawn("/bin/sh", ["-c", TIMED, "sh", ...argv], {
    cwd: dir,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit", fd],
  });
  closeSync(fd);
  let times = "";
  child.stdout!.on("data", (text) => {
    times += text;
  });
  let peakBytes = 0;
  const sampler = memory
    ? setInterval(() => {
        peakBytes = Math.max(peakBytes, treeBytes(child.pid!));
      }, SAMPLE_MS)
    : undefined;
  const [code] = await once(child, "close");
  const wallMs = performance.now() - startedMs;
  clearInterval(sampler);
  if (code !== 0)
    throw new Error(`${argv.join(" ")}: exit ${code}\n${readFileSync(errors, "utf8").slice(-2000)}`);
  const [, ...ofChildren] = times.trim().split("\n");
  const cpuMs = [...ofChildren.join(" ").matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000,
    0,
  );
  return { wallMs, cpuMs, ...(memory ? { peakBytes } : {}) };
}

/** Resident bytes of a process and all below it, from /proc; 0 where there is none. */
function treeBytes(root: number): number {
  const children = new Map<number, number[]>();
  const bytes = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
      bytes.set(Number(name), Number(fields[21]) * 4096);
    } catch {
      // It ended meanwhile.
    }
  }
  let sum = 0;
  const tree = [root];
  for (const pid of tree) {
    sum += bytes.get(pid) ?? 0;
    tree.push(...(children.get(pid) ?? []));
  }
  return sum;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
