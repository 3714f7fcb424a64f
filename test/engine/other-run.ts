// A run in a process of its own, whose events come over as they happen. It can be killed at any point of them.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunEvent } from "../../src/engine/events.ts";
import { type RunResult, run } from "../../src/engine/run.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import { loadPlan } from "../../src/plan/load.ts";
import type { Plan } from "../../src/plan/types.ts";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import type { Asked, EventOf, Rig } from "./rig.ts";

type Message =
  | { readonly event: RunEvent }
  | { readonly over: Omit<RunResult, "path"> }
  | { readonly error: string };

let started = 0;

export class OtherRun {
  readonly events: RunEvent[] = [];
  /** How it ended. Rejects if its process ended before it did. */
  readonly over: Promise<Omit<RunResult, "path">>;
  readonly #child: ChildProcess;
  #told: () => void = () => {};
  #gone = false;

  /** `prefix` is put before the command line, e.g. `unshare --pid --fork`. */
  constructor(
    rig: Pick<Rig, "dir" | "storeDir" | "recordFile">,
    plan: Plan,
    options: Asked = {},
    prefix: readonly string[] = [],
  ) {
    const file = join(rig.dir, `other${process.pid}-${++started}.dag`);
    writeFileSync(file, bencodePlan(plan));
    const request = JSON.stringify({ file, storeDir: rig.storeDir, recordFile: rig.recordFile, options });
    const argv = [...prefix, process.execPath, fileURLToPath(import.meta.url), request];
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const { promise, resolve, reject } = Promise.withResolvers<Omit<RunResult, "path">>();
    this.over = promise;
    this.over.catch(() => {}); // whoever awaits it sees the error
    this.#child.on("message", (message: Message) => {
      if ("event" in message) this.events.push(message.event);
      else if ("over" in message) resolve(message.over);
      else reject(new Error(message.error));
      this.#told();
    });
    this.#child.on("exit", (code, signal) => {
      reject(new Error(`the other run ended with ${code ?? signal}`));
      this.#gone = true;
      this.#told();
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get ran(): string[] {
    return this.events.flatMap((event) => (event.event === "task.ran" ? [event.task] : []));
  }

  /** Resolves to the `count`-th event of that name, past ones included. */
  async tells<Name extends RunEvent["event"]>(name: Name, count = 1): Promise<EventOf<Name>> {
    for (;;) {
      const told = this.events.filter((event): event is EventOf<Name> => event.event === name);
      if (told[count - 1]) return told[count - 1]!;
      if (this.#gone) throw new Error(`the other run ended without ${name}`);
      await new Promise<void>((resolve) => (this.#told = resolve));
    }
  }

  /** Kills its process with SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#gone) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}

/** Starts a run that is killed with the test. */
export function otherRun(
  t: { after(fn: () => Promise<void>): void },
  ...given: ConstructorParameters<typeof OtherRun>
): OtherRun {
  const other = new OtherRun(...given);
  t.after(() => other.kill());
  return other;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { file, storeDir, recordFile, options } = JSON.parse(process.argv[2]!);
  const send = (message: Message) => void process.send!(message);
  process.on("disconnect", () => process.exit()); // the test is over
  const store = await openFolderStore(storeDir);
  const record = await openSqliteRecord(recordFile);
  try {
    const plan = await loadPlan(file);
    const { path: _, ...over } = await run(plan, {
      jobs: 2,
      ...options,
      record,
      store,
      onEvent: (event) => send({ event }),
    });
    send({ over });
  } catch (error) {
    send({ error: String(error) });
  }
  await record.close();
  await store.close();
  process.disconnect?.();
}
