// Which processes there are of a step. Linux: /proc; elsewhere `ps`, which cannot see environments of others.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { SLOT_VARIABLE } from "./shell-launcher.ts";
import type { Survivor } from "./types.ts";

const linux = process.platform === "linux";

/** Whether any process, zombies included, is left in the group. One system call. */
function groupExists(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM"; // somebody is there, whom we may not signal
  }
}

/** Living members of a process group. Zombies do not count: where pid 1 reaps nobody they stay for ever. */
export function groupMembers(group: number): Survivor[] {
  if (!groupExists(group)) return [];
  if (!linux) {
    const ps = spawnSync("ps", ["-axo", "pid=,pgid=,stat=,command="], { encoding: "utf8" });
    return ps.stdout.split("\n").flatMap((line) => {
      const [, pid, pgid, stat, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
      return Number(pgid) === group && !stat?.startsWith("Z")
        ? [{ pid: Number(pid), command: command ?? "" }]
        : [];
    });
  }
  return pids().flatMap((pid) => {
    const stat = read(`/proc/${pid}/stat`);
    // pid (comm) state ppid pgrp …; comm may hold blanks and brackets, so count from its last bracket (proc(5)).
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(pgrp) === group && state !== "Z" && state !== "X" ? [{ pid, command: commandOf(pid) }] : [];
  });
}

/** Living processes that carry ALAMODE_STEP with a value that begins with `prefix`. Empty where there is no /proc. */
export function stepProcesses(prefix: string): (Survivor & { readonly step: string })[] {
  return carriers("ALAMODE_STEP", (value) => value.startsWith(prefix)).map(({ value, ...process }) => ({
    ...process,
    step: value,
  }));
}

/** Living shells of a slot, by absolute path, that are launchers, and copies of them. Empty where there is no /proc. */
export function slotProcesses(slot: string): Survivor[] {
  return carriers(SLOT_VARIABLE, (value) => value === slot);
}

function carriers(
  name: string,
  wanted: (value: string) => boolean,
): (Survivor & { readonly value: string })[] {
  if (!linux) return [];
  const begin = `${name}=`;
  return pids().flatMap((pid) => {
    const entries = read(`/proc/${pid}/environ`).split("\0");
    const value = entries.find((line) => line.startsWith(begin))?.slice(begin.length);
    return value !== undefined && wanted(value) ? [{ pid, command: commandOf(pid), value }] : [];
  });
}

/** What a process group uses at this instant. */
export interface Usage {
  readonly rssBytes: number;
  readonly userMs: number;
  readonly systemMs: number;
}

/**
 * Adds up, in one walk through /proc, what the living members of each group use, with the processor time of ended children; but for
 * `isOther`.
 */
export function groupUsage(
  groups: ReadonlySet<number>,
  isOther: (pid: number, group: number) => boolean,
): Map<number, Usage> {
  const found = new Map<number, Usage>();
  if (!linux) return found;
  for (const pid of pids()) {
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const group = Number(fields[2]);
    if (!groups.has(group) || isOther(pid, group)) continue;
    // proc(5), counted from the state: utime 11, stime 12, cutime 13, cstime 14 (in 1/100 s), rss 21 (in pages).
    const field = (n: number) => Number(fields[n]);
    const so = found.get(group) ?? { rssBytes: 0, userMs: 0, systemMs: 0 };
    found.set(group, {
      rssBytes: so.rssBytes + field(21) * pageBytes(),
      userMs: so.userMs + (field(11) + field(13)) * 10,
      systemMs: so.systemMs + (field(12) + field(14)) * 10,
    });
  }
  return found;
}

/**
 * What a process group really takes of memory: pages that several processes share are counted once. Costs more to find out than
 * `groupUsage`, whose sum is never less.
 */
export function groupMemory(group: number): number {
  let sum = 0;
  for (const { pid } of groupMembers(group)) {
    const pss = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`));
    const rss = () => Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
    sum += (pss === null ? rss() : Number(pss[1])) * 1024;
  }
  return sum;
}

/** How many processes the system has killed for memory since it started; undefined where it does not tell. */
export function systemMemoryKills(): number | undefined {
  const found = linux ? /^oom_kill (\d+)$/m.exec(read("/proc/vmstat")) : null;
  return found === null ? undefined : Number(found[1]);
}

let knownPageBytes = 0;

function pageBytes(): number {
  knownPageBytes ||= Number(/KernelPageSize:\s+(\d+) kB/.exec(read("/proc/self/smaps"))?.[1] ?? 4) * 1024;
  return knownPageBytes;
}

/** Sends a signal to one process; a process that has gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile, or is not ours: what is left is looked at again by the caller.
  }
}

function pids(): number[] {
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function commandOf(pid: number): string {
  const line = read(`/proc/${pid}/cmdline`)
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();
  return line.length > 80 ? `${line.slice(0, 79)}…` : line || read(`/proc/${pid}/comm`).trim();
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // ended meanwhile, or another user's
  }
}
