// Steps as processes of this machine. Each command leads a session and a process group of its own, and everything it
// starts inherits the write end of its slot's FIFO: group and FIFO together tell whether anything of it is left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf } from "../../errors.ts";
import type { Resources } from "../../record/types.ts";
import { makeFifos } from "./fifos.ts";
import { type Launched, NoLauncher } from "./launcher.ts";
import { Launchers } from "./launchers.ts";
import {
  groupMembers,
  groupMemory,
  groupUsage,
  signalProcess,
  slotProcesses,
  stepProcesses,
  systemMemoryKills,
} from "./processes.ts";
import { LAUNCHER, type Supervisor, startSupervisor } from "./supervisor.ts";
import type { Ended, Executor, Job, Survivor } from "./types.ts";

/** Between TERM and KILL, when a step is stopped. */
const KILL_GRACE_MS = 5_000;
/** How long what a command started may take to end by itself once the command has exited. */
const LINGER_MS = 1_000;
/** How long survivors that were sent KILL may take to go (one in a system call cannot). */
const REAP_MS = 10_000;
/** How often it is looked at what running steps use. A step shorter than this has no figures in the record. */
const SAMPLE_MS = 500;
/** The same while there is a step with a limit of memory: then more often, but for at most a twentieth of the time. */
const WATCH_MS = 100;
const WATCH_SHARE = 20;

/** To read it takes 50 µs, as much as all else that is asked before a small command starts: so once a second at most. */
const KILLS_KNOWN_MS = 1_000;

interface Running {
  readonly at: number;
  /** Its group is that of a launcher, which is a member. */
  readonly isLaunchers: boolean;
}

/** Opens the executor of one run. `run` is the beginning of all its steps' ALAMODE_STEP. */
export function openLocalExecutor(run: string, launchers = new Launchers()): Executor {
  let supervisor: Supervisor | undefined;
  let guardFifo = "";
  /** Group → what is known of the command that runs there. */
  const groups = new Map<number, Running>();
  /** Groups that the supervisor knows, and keeps when a command has ended: a launcher's own. */
  const kept = new Set<number>();
  const used = new Map<number, Resources>();
  /** Group → what is called when it uses more memory than it may. */
  const limits = new Map<number, { readonly bytes: number; exceeded(usedBytes: number): void }>();
  let sampler: NodeJS.Timeout | undefined;
  let kills = { count: 0 as number | undefined, atMs: Number.NEGATIVE_INFINITY };

  /** How often the system had ended something for lack of memory, about a second ago at the earliest. */
  function recentMemoryKills(): number | undefined {
    if (performance.now() - kills.atMs > KILLS_KNOWN_MS)
      kills = { count: systemMemoryKills(), atMs: performance.now() };
    return kills.count;
  }

  function sampleIn(ms: number): void {
    clearTimeout(sampler);
    sampler = setTimeout(() => {
      const startedMs = performance.now();
      sample();
      const tookMs = performance.now() - startedMs;
      if (groups.size === 0) sampler = undefined;
      else sampleIn(limits.size > 0 ? Math.max(WATCH_MS, tookMs * WATCH_SHARE) : SAMPLE_MS);
    }, ms).unref();
  }

  function sample(): void {
    // A walk through /proc takes milliseconds, and of a command that is young there is nothing to be kept.
    const before = performance.now() - SAMPLE_MS;
    const looked = new Set(
      [...groups].flatMap(([group, { at }]) => (at < before || limits.has(group) ? group : [])),
    );
    if (looked.size === 0) return;
    // What a launcher itself has taken by now was for others, too.
    const isOther = (pid: number, group: number) => pid === group && groups.get(group)!.isLaunchers;
    for (const [group, now] of groupUsage(looked, isOther)) {
      const limit = limits.get(group);
      if (limit !== undefined && now.rssBytes > limit.bytes) {
        const usedBytes = groupMemory(group);
        if (usedBytes > limit.bytes) limit.exceeded(usedBytes);
      }
      const last = used.get(group);
      used.set(group, {
        maxRssBytes: Math.max(last?.maxRssBytes ?? 0, now.rssBytes),
        // A child that was not waited for takes its time with it: the sum may only grow.
        userMs: Math.max(last?.userMs ?? 0, now.userMs),
        systemMs: Math.max(last?.systemMs ?? 0, now.systemMs),
      });
    }
  }

  /** The supervisor's pipe; started with the first job, and again (told what runs) if somebody killed it. */
  function supervised(): Supervisor {
    if (!supervisor?.alive) {
      supervisor = startSupervisor(run, guardFifo);
      for (const group of new Set([...groups.keys(), ...kept])) supervisor.started(group);
    }
    return supervisor;
  }

  async function started(job: Job, anew: boolean): Promise<Launched> {
    const guard = supervised();
    return launchers.start(job, guard.fifo, anew) ?? spawned(job, guard);
  }

  /** Undefined where a launcher could not begin it, and it is to be started `anew`. */
  async function attempt(
    job: Job,
    stop: AbortSignal,
    kill: AbortSignal,
    anew: boolean,
  ): Promise<Ended | undefined> {
    const startedMs = performance.now();
    const over = (how: Omit<Ended, "durationMs" | "resources" | "survivors"> & Partial<Ended>): Ended => ({
      survivors: [],
      durationMs: performance.now() - startedMs,
      resources: {},
      ...how,
    });
    const killsBefore = recentMemoryKills();
    let launched: Launched;
    try {
      launched = await started(job, anew).catch((error) => {
        // Nothing was started. Nobody reads the supervisor's FIFO: it was killed a moment ago, which Node.js has not heard of yet.
        if (errnoOf(error) === "ENXIO") supervisor = undefined;
        // A task removed what lies around it.
        else if (errnoOf(error) === "ENOENT" && !existsSync(fifoOf(job.slot))) makeFifos([fifoOf(job.slot)]);
        else if (!(error instanceof NoLauncher)) throw error;
        return started(job, anew);
      });
    } catch (spawnError) {
      return over({ spawnError });
    }
    const { group, launcher } = launched;
    const isLaunchers = launcher !== undefined;
    groups.set(group, { at: performance.now(), isLaunchers });
    const stopping = stopper(group, job.timeoutMs, stop, kill);
    if (job.memoryBytes !== undefined) {
      limits.set(group, { bytes: job.memoryBytes, exceeded: (usedBytes) => stopping.exceeded(usedBytes) });
      sampleIn(WATCH_MS);
    } else if (sampler === undefined) sampleIn(SAMPLE_MS);
    try {
      const end = await launched.ended;
      // The signal may reach the launcher only after its answer, and would end the slot's next command with it.
      if (stopping.reason !== undefined) await launcher?.close();
      if (end === undefined) return undefined;
      const { code, signal, left } = end;
      const survivors = left ? await endSurvivors(group, job, stopping.reason !== undefined, kill) : [];
      return over({
        ...(signal === null ? { exitCode: code! } : { signal }),
        ...(stopping.reason === undefined ? {} : { stoppedFor: stopping.reason }),
        ...(stopping.usedBytes === undefined ? {} : { usedBytes: stopping.usedBytes }),
        ...(code !== 0 && (systemMemoryKills() ?? 0) > (killsBefore ?? 0) ? { systemOutOfMemory: true } : {}),
        survivors: stopping.reason === undefined ? survivors : [],
        resources: used.get(group) ?? {},
      });
    } finally {
      stopping.close();
      groups.delete(group);
      limits.delete(group);
      used.delete(group);
      if (!isLaunchers) supervisor?.ended(group);
    }
  }

  return {
    name: "local",
    async openSlots(folder, count) {
      const slots = Array.from({ length: count }, (_, n) => join(folder, String(n)));
      for (const slot of slots) mkdirSync(slot, { recursive: true, mode: 0o755 });
      guardFifo = join(folder, "guard");
      const pipes = launchers.pipesOf(folder, slots);
      makeFifos([...slots.map(fifoOf), guardFifo, ...pipes]);
      launchers.openPipes({
        begun(group) {
          kept.add(group);
          supervised().started(group);
        },
        gone(group) {
          kept.delete(group);
          supervisor?.ended(group);
        },
      });
      return slots;
    },
    async execute(job, stop, kill) {
      return (await attempt(job, stop, kill, false)) ?? (await attempt(job, stop, kill, true))!;
    },
    async endLeftovers(slot, step, waiting, stop) {
      for (let tries = 0; !stop.aborted; tries++) {
        const left = [...stepProcesses(step), ...slotProcesses(slot)];
        for (const { pid } of left) signalProcess(pid, "SIGKILL");
        if (left.length === 0 && !fifoHeld(slot)) return;
        if (tries === 20) waiting();
        await delay(Math.min(10 * (tries + 1), 250));
      }
    },
    async endStrays(of) {
      const all = new Map<number, Survivor & { step: string }>();
      // Killing what is seen can reveal what it had just started: until a look finds nothing.
      const deadline = performance.now() + REAP_MS;
      while (performance.now() < deadline) {
        const left = stepProcesses(`${of}/`);
        if (left.length === 0) break;
        for (const stray of left) {
          all.set(stray.pid, stray);
          signalProcess(stray.pid, "SIGKILL");
        }
        await delay(5);
      }
      return [...all.values()];
    },
    async close() {
      clearTimeout(sampler);
      sampler = undefined;
      await launchers.close();
      await supervisor?.close();
      supervisor = undefined;
    },
  };
}

/** Starts the job from here. Rejects with what the system said where that cannot be. */
async function spawned(job: Job, { fifo }: Supervisor): Promise<Launched> {
  const fds: number[] = [];
  try {
    const guard = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    fds.push(guard);
    const log = openSync(job.log, "a", 0o644);
    fds.push(log);
    const alive = openSync(fifoOf(job.slot), constants.O_RDWR);
    fds.push(alive);
    const child = spawn("/bin/sh", ["-c", LAUNCHER, "sh", ...job.argv], {
      cwd: job.cwd,
      env: { ...job.env, ALAMODE_STEP: job.step },
      detached: true,
      stdio: ["ignore", log, log, alive, guard],
    });
    const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    if (child.pid === undefined)
      throw await exit.then(
        () => undefined,
        (error) => error,
      );
    const ended = exit.then(([code, signal]) => ({ code, signal, left: true }));
    return { group: child.pid, launcher: undefined, ended };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/**
 * Ends whatever of the job is left after its command exited; returns what did not end by itself. A shell dies of TERM at
 * once, and what it called may be cleaning up yet: of a stopped job it has the whole grace.
 */
async function endSurvivors(
  group: number,
  job: Job,
  stopped: boolean,
  kill: AbortSignal,
): Promise<Survivor[]> {
  const fifo = fifoOf(job.slot);
  // Zombies do not count: where process 1 reaps nobody, a straggler that has ended stays one.
  const left = () => groupMembers(group).length > 0 || held(fifo);
  const found = new Map<number, Survivor>();
  if (!left()) return [];
  const lingerMs = stopped ? KILL_GRACE_MS : LINGER_MS;
  for (
    let waited = 0, pause = 1;
    !kill.aborted && waited < lingerMs && left();
    waited += pause, pause = Math.min(pause * 2, 50)
  ) {
    await delay(pause);
  }
  const deadline = performance.now() + REAP_MS;
  for (let pause = 1; left() && performance.now() < deadline; pause = Math.min(pause * 2, 100)) {
    const members = [...groupMembers(group), ...stepProcesses(job.step)];
    if (members.length === 0 && !held(fifo)) break; // the last has just ended by itself
    for (const member of members) {
      found.set(member.pid, member);
      signalProcess(member.pid, "SIGKILL");
    }
    if (members.length === 0 && found.size === 0)
      found.set(0, { pid: 0, command: "a process that cannot be seen from here" });
    await delay(pause);
  }
  return [...found.values()];
}

/** Ends the group on timeout or request: TERM, and KILL after a grace; `kill`, or for memory, at once. */
function stopper(group: number, timeoutMs: number | undefined, stop: AbortSignal, kill: AbortSignal) {
  let killing: NodeJS.Timeout | undefined;
  const send = (signal: NodeJS.Signals) => signalProcess(-group, signal);
  const end = (reason: NonNullable<Ended["stoppedFor"]>) => {
    if (state.reason !== undefined) return;
    state.reason = reason;
    send("SIGTERM");
    send("SIGCONT"); // a stopped process hears TERM only when it goes on
    killing = setTimeout(send, KILL_GRACE_MS, "SIGKILL");
  };
  const onStop = () => end("interrupted");
  const onKill = () => {
    end("interrupted");
    send("SIGKILL");
  };
  // Node's timers hold at most 2^31-1 ms; a longer limit is as good as none.
  const timer =
    timeoutMs !== undefined && timeoutMs < 2 ** 31
      ? setTimeout(end, timeoutMs, "timeout" as const)
      : undefined;
  stop.addEventListener("abort", onStop);
  kill.addEventListener("abort", onKill);
  const state = {
    reason: undefined as Ended["stoppedFor"],
    usedBytes: undefined as number | undefined,
    /** At once: what it did in a grace could take the memory of all. */
    exceeded(usedBytes: number) {
      if (state.reason !== undefined) return;
      state.reason = "memory";
      state.usedBytes = usedBytes;
      send("SIGKILL");
    },
    close() {
      clearTimeout(timer);
      clearTimeout(killing);
      stop.removeEventListener("abort", onStop);
      kill.removeEventListener("abort", onKill);
    },
  };
  if (kill.aborted) onKill();
  else if (stop.aborted) onStop();
  return state;
}

function fifoOf(slot: string): string {
  return `${slot}/alive`;
}

/** Whether anybody holds a slot's FIFO, from any process, across process-id namespaces. A slot that has gone is free. */
export function fifoHeld(slot: string): boolean {
  return held(fifoOf(slot));
}

function held(fifo: string): boolean {
  let fd: number;
  try {
    fd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return false; // nothing is there, or no slot
    throw error;
  }
  try {
    // No writer: end of file. A writer that is silent: EAGAIN. What a task wrote there is drained and means nothing.
    // A task that never stops writing there is one that holds it.
    const waste = Buffer.allocUnsafe(65536);
    for (let reads = 0; reads < 32; reads++) if (readSync(fd, waste) === 0) return false;
    return true;
  } catch (error) {
    if (errnoOf(error) === "EAGAIN") return true;
    throw error;
  } finally {
    closeSync(fd);
  }
}
