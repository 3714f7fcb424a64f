// A second process that has the same record open. Its calls are sent over, so that the test decides their order.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { errnoOf } from "../../src/errors.ts";
import type { RecordDb } from "../../src/record/types.ts";

type Call = { readonly method: keyof RecordDb; readonly args: readonly unknown[] };
type Answer = { readonly value?: unknown; readonly error?: string };

/** What of a RecordDb can be called from afar. */
export type Remote = Omit<RecordDb, "url">;

export class OtherProcess {
  readonly record: Remote;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.record = new Proxy({} as Remote, {
      get:
        (_, method: keyof RecordDb) =>
        (...args: unknown[]) =>
          this.#call({ method, args }),
    });
  }

  /** `opener` exports `open(dir)`. `prefix` is put before the command line, e.g. `unshare --pid --fork`. */
  static async start(opener: URL, dir: string, prefix: readonly string[] = []): Promise<OtherProcess> {
    const argv = [...prefix, process.execPath, fileURLToPath(import.meta.url), opener.href, dir];
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
    });
    await once(child, "message"); // it is open
    return new OtherProcess(child);
  }

  async #call(call: Call): Promise<unknown> {
    const answered = once(this.#child, "message");
    this.#child.send(call);
    const [{ value, error }] = (await answered) as [Answer];
    if (error !== undefined) throw new Error(error);
    return value;
  }

  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  /** After `stop`. */
  go(): void {
    this.#child.kill("SIGCONT");
  }

  /** Kills it with SIGKILL and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [opener, dir] = process.argv.slice(2) as [string, string];
  const { open } = (await import(opener)) as { open: (dir: string) => Promise<RecordDb> };
  const record = await open(dir);
  const answer = (message: Answer) => {
    process.send!(message, (error: unknown) => {
      if (error && errnoOf(error) !== "EPIPE") throw error;
    });
  };
  process.on("message", ({ method, args }: Call) => {
    const call = record[method] as (...given: readonly unknown[]) => Promise<unknown>;
    call(...args).then(
      (value) => answer({ value }),
      (error: unknown) => answer({ error: String(error) }),
    );
  });
  process.on("disconnect", () => process.exit()); // the test is over
  answer({});
}
