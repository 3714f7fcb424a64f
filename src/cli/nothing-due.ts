// The quick way through `alamode run` of a .dag file that ran before, and of which nothing is due.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { extname, relative, resolve } from "node:path";
import { runNothingDue } from "../engine/nothing-due.ts";
import { recordExists } from "../project.ts";
import type { RunFlags } from "./commands/run.ts";
import { type Context, sandboxOf, withBoth } from "./context.ts";
import { startTelling } from "./tell-run.ts";

/** Flags that make no difference where nothing is due. With any other it takes a full run to know. */
const INDIFFERENT = new Set(["file", "store", "record", "json", "logs", "jobs", "keepGoing", "sandbox"]);
/** Options that a configuration may give, and that a run has something to do for though nothing is due. */
const NEED_A_RUN = ["publish", "sandbox"];
const CHUNK_BYTES = 1024 * 1024;

/** True where the run was told and recorded; false where nothing was, and a full run has to look. */
export async function toldNothingDue(context: Context, options: RunFlags): Promise<boolean> {
  if (Object.keys(options).some((flag) => !INDIFFERENT.has(flag))) return false;
  const { cwd, project, settings } = context;
  if (Object.values(settings.options ?? {}).some((given) => NEED_A_RUN.some((option) => option in given)))
    return false;
  const file =
    options.file === undefined
      ? settings.pipeline && resolve(project, settings.pipeline)
      : resolve(cwd, options.file);
  if (!file || extname(file) !== ".dag" || !recordExists(context)) return false;
  const digest = digestOfFile(file);
  if (digest === undefined) return false;
  return withBoth(context, async ({ store, record }) => {
    const telling = startTelling({
      json: options.json === true,
      logs: false,
      tasks: [],
      flags: context.flags,
    });
    try {
      return await runNothingDue(digest, {
        store,
        record,
        pipeline: relative(project, file),
        onEvent: telling.event,
        ...sandboxOf(context, options),
      });
    } finally {
      telling.close();
    }
  });
}

/** sha256 of the file, which is a plan's digest if it is a plan file; undefined where it cannot be read. */
function digestOfFile(file: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return undefined; // who loads it tells why
  }
  try {
    const digest = createHash("sha256");
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk))
      digest.update(chunk.subarray(0, read));
    return digest.digest("hex");
  } catch {
    return undefined; // a folder
  } finally {
    closeSync(fd);
  }
}
