// The quick way through `alamode run` of a .dag file that ran before, and of which nothing is due. It loads neither what runs
// things nor what declares the commands, which is most of the time that such a call takes.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { extname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { knownPlanName } from "../engine/known-plan.ts";
import { runNothingDue } from "../engine/nothing-due.ts";
import { digestsOf } from "../plan/stat-cache.ts";
import { openRecord, openStores, recordExists } from "../project.ts";
import { type Context, contextOf, refuseFolder, type SandboxOptions, sandboxOf } from "./context.ts";
import { startTelling } from "./tell-run.ts";

/** The options of `run` that make no difference where nothing is due. With any other, or a task, it takes a full run to know. */
const INDIFFERENT = {
  file: { type: "string", short: "f" },
  store: { type: "string" },
  record: { type: "string" },
  sandbox: { type: "string" },
  jobs: { type: "string", short: "j" },
  "keep-going": { type: "boolean", short: "k" },
  logs: { type: "boolean" },
  json: { type: "boolean" },
} as const;
const CHUNK_BYTES = 1024 * 1024;

/** `args` follow the word `run`. True where the run was told and recorded; false where nothing was, and a full run has to look. */
export async function toldNothingDue(args: readonly string[]): Promise<boolean> {
  const options = indifferent(args);
  if (options === undefined) return false;
  const context = await contextOf(options);
  const file = planFileOf(context);
  if (file === undefined || !hasNoOptions(context) || !recordExists(context)) return false;
  const digest = planDigestOf(file, context);
  if (digest === undefined) return false;
  const store = await openStores(context, context.settings, { look: true });
  try {
    if ((await store.main.derived(knownPlanName(digest))) === undefined) return false;
    refuseFolder(context.record, context.cwd);
    const record = await openRecord(context.record);
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
        pipeline: relative(context.project, file),
        onEvent: telling.event,
        ...sandboxOf(context, options),
      });
    } finally {
      telling.close();
      await record.close();
    }
  } finally {
    await store.close();
  }
}

/** Undefined where they say more than what makes no difference, or anything wrong, of which the full program tells. */
export function indifferent(args: readonly string[]): SandboxOptions | undefined {
  try {
    const { values } = parseArgs({ args: [...args], options: INDIFFERENT });
    return values.jobs === undefined || /^[1-9]\d{0,8}$/.test(values.jobs) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the configuration has no options for tasks: some have something to do though nothing is due, and it is told of all
 *  whose pattern fits no task. */
export function hasNoOptions({ settings }: Context): boolean {
  return Object.keys(settings.options ?? {}).length === 0;
}

/** The plan file that the run would be of; undefined where it is of anything else. */
function planFileOf({ cwd, project, settings, options }: Context): string | undefined {
  const { pipeline } = settings;
  const file =
    options.file === undefined ? pipeline && resolve(project, pipeline) : resolve(cwd, options.file);
  return file && extname(file) === ".dag" ? file : undefined;
}

/** A plan's digest is that of its file, if it is a plan file. Undefined where it cannot be read: who loads it tells why. */
function planDigestOf(file: string, { storeDir }: Context): string | undefined {
  try {
    const [digest] = digestsOf([file], { cache: join(storeDir, "stat-cache.db"), read: digestOfFile });
    return digest;
  } catch {
    return undefined;
  }
}

function digestOfFile(file: string): string {
  const digest = createHash("sha256");
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const fd = openSync(file, "r");
  try {
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk))
      digest.update(chunk.subarray(0, read));
    return digest.digest("hex");
  } finally {
    closeSync(fd);
  }
}
