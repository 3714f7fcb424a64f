// alamode verify: runs done tasks again and compares, or hashes what the store holds.
import { verify } from "../../engine/verify.ts";
import { verifyStored } from "../../engine/verify-stored.ts";
import { AlamodeError } from "../../errors.ts";
import { type Context, contextOf, machineOf, type SandboxOptions, withExisting } from "../context.ts";
import { EXIT } from "../errors.ts";
import { selectedGoals } from "../goals.ts";
import { loadPipeline, type Pipeline } from "../load-pipeline.ts";
import { startTellingVerify } from "../tell-verify.ts";
import { warn } from "../warn.ts";

export interface VerifyFlags extends SandboxOptions {
  readonly stored?: boolean;
  /** A part of one. */
  readonly sample?: number;
  readonly seed?: string;
  readonly jobs?: number;
}

export async function verifyCommand(patterns: readonly string[], options: VerifyFlags): Promise<number> {
  const { stored = false, sample: share, seed, sandbox } = options;
  const context = await contextOf(options);
  const pipeline = await pipelineOf(context, stored && patterns.length === 0);
  warn(pipeline?.warnings ?? []);
  const plan = pipeline?.plan;
  const tasks = plan === undefined ? undefined : selectedGoals(plan, patterns, "verify");
  return withExisting(context, async ({ store, record }) => {
    const telling = startTellingVerify({
      json: options.json === true,
      stored,
      tasks: Object.keys(plan?.tasks ?? {}),
      flags: context.flags,
    });
    const jobs = options.jobs ?? context.settings.jobs;
    const common = {
      store,
      record,
      signal: telling.stop,
      onEvent: telling.event,
      ...(tasks === undefined ? {} : { tasks }),
    };
    try {
      const result = stored
        ? await verifyStored({ ...common, ...(plan === undefined ? {} : { plan }) })
        : await verify(plan!, {
            ...common,
            kill: telling.kill,
            ...machineOf(context),
            ...(share === undefined ? {} : { share }),
            ...(seed === undefined ? {} : { seed }),
            ...(sandbox === undefined ? {} : { sandbox }),
            ...(jobs === undefined ? {} : { jobs }),
          });
      if (result.interrupted) return EXIT.interrupted;
      const bad = result.differ + result.lost + result.failed;
      // What was asked for by name and could not be verified is not to be taken for verified.
      return bad > 0 || (tasks !== undefined && result.impossible > 0) ? EXIT.failed : EXIT.done;
    } finally {
      telling.close();
    }
  });
}

/** All that is stored can be hashed without a pipeline too. */
async function pipelineOf(context: Context, optional: boolean): Promise<Pipeline | undefined> {
  try {
    return await loadPipeline(context);
  } catch (error) {
    const none = error instanceof AlamodeError && error.code === "no-pipeline";
    if (optional && none && context.options.file === undefined) return undefined;
    throw error;
  }
}
