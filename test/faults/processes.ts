// Which processes there are on this machine, by what Linux tells of them. Elsewhere none can be seen.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export interface Seen {
  readonly pid: number;
  readonly parent: number;
  /** Arguments, joined by blanks. */
  readonly command: string;
  /** The value of ALAMODE_STEP, if it has one: `<run>/<execution>`. */
  readonly step: string | undefined;
  /** Absolute path of its slot, if it is a shell that steps are copies of, or such a copy. */
  readonly slot: string | undefined;
}

export function processes(): Seen[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      const stat = read(`/proc/${name}/stat`);
      const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const environment = read(`/proc/${name}/environ`).split("\0");
      const value = (variable: string) =>
        environment.find((line) => line.startsWith(`${variable}=`))?.slice(variable.length + 1);
      return {
        pid: Number(name),
        parent: Number(parent),
        command: read(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim(),
        step: value("ALAMODE_STEP"),
        slot: value("ALAMODE_SLOT"),
        dead: state === "" || state === "Z" || state === "X",
      };
    })
    .filter(({ dead }) => !dead);
}

/** Processes that tasks of these runs started, and shells that they are copies of. */
export function stepsOf(runs: readonly string[]): Seen[] {
  return processes().filter(({ step, slot }) =>
    runs.some((run) => step?.startsWith(`${run}/`) || slot?.includes(`/${run}/`)),
  );
}

/** The small processes that end tasks when their run's engine dies. */
export function supervisorsOf(runs: readonly string[]): Seen[] {
  return processes().filter(
    ({ command }) =>
      command.includes("alamode-supervisor") && runs.some((run) => command.endsWith(` ${run}`)),
  );
}

/** Looks until nothing is left; returns what is left after ten seconds. */
export async function goneWithin<T>(look: () => readonly T[]): Promise<readonly T[]> {
  const end = performance.now() + 10_000;
  for (;;) {
    const left = look();
    if (left.length === 0 || performance.now() > end) return left;
    await delay(20);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // it ended meanwhile, or is another user's
  }
}
