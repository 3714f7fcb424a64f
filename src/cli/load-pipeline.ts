// From a PIPELINE, as people name it, to plans, one for each slot asked for: a module, a .dag file, or a program.
import { existsSync, statSync } from "node:fs";
import { basename, extname, join, relative, resolve } from "node:path";
import { AlamodeError } from "../errors.ts";
import { loadWithDigest } from "../plan/load.ts";
import type { Params } from "../plan/params.ts";
import { takeRemarks } from "../plan/remarks.ts";
import type { Schedule, Slot } from "../plan/schedule.ts";
import { missingFolders } from "../plan/search-path.ts";
import { planWarnings } from "../plan/spec-warnings.ts";
import type { Plan } from "../plan/types.ts";
import type { Context } from "./context.ts";
import { tell } from "./errors.ts";
import { herePath } from "./format.ts";
import { givenParams } from "./given-params.ts";
import { scheduleWarnings } from "./schedule-warnings.ts";

/** A plan, and what it was described with. */
export interface DescribedPlan {
  readonly plan: Plan;
  /** What each parameter was, as text. */
  readonly params: Readonly<Record<string, string>>;
  /** The plan's digest, where it came with it. */
  readonly digest?: string;
}

/** What a module, a .dag file or a program describes; see `Description` in plan/describe.ts. */
export interface OpenPipeline {
  readonly schedule: Schedule | undefined;
  readonly slots: readonly (Slot | undefined)[];
  readonly incomplete: number;
  /** Whether it takes no date, or was given it by name, and so has one plan for all slots. */
  readonly undated: boolean;
  /** What it can be given; undefined where only it knows. */
  readonly params: Params | undefined;
  /** What people call a slot. */
  nameOf(slot: Slot): string;
  at(slot: Slot | undefined): Promise<DescribedPlan>;
}

export interface Pipeline extends DescribedPlan {
  /** What the record calls it: `meta.name`, else the file's path relative to the project. */
  readonly name: string;
  /** One line each. */
  readonly warnings: readonly string[];
  /** Absolute path of the module, plan file or program. */
  readonly file: string;
  /** The slot that it was described for. */
  readonly slot?: Slot;
}

/** A pipeline and the slots that were asked for, to be described one by one. */
export interface Slots extends Omit<OpenPipeline, "at"> {
  /** Absolute path of the module, plan file or program. */
  readonly file: string;
  at(slot: Slot | undefined): Promise<Pipeline>;
}

const USUAL = ["pipeline.ts", "pipeline.mts", "pipeline.js", "pipeline.mjs"];

/** The pipeline that `-f`, else the settings, else the usual names say, for the one slot asked for. Throws `many-dates`. */
export async function loadPipeline(context: Context, file = context.options.file): Promise<Pipeline> {
  const pipeline = await openPipeline(context, { file });
  const { slots } = pipeline;
  if (slots.length > 1) {
    throw new AlamodeError(
      "many-dates",
      `${context.options.date} are ${slots.length} slots; this takes one`,
      {
        hint: "Only  alamode run  and  alamode status  take many.",
      },
    );
  }
  return pipeline.at(slots[0]);
}

/** The same for all slots asked for. `anySlot`: as for `describe`. */
export async function openPipeline(
  context: Context,
  {
    file = context.options.file,
    anySlot = false,
  }: { readonly file?: string | undefined; readonly anySlot?: boolean } = {},
): Promise<Slots> {
  const path = file === undefined ? usualFile(context) : resolve(context.cwd, file);
  const shown = herePath(path, context.cwd);
  if (!existsSync(path)) {
    throw new AlamodeError("no-pipeline", `there is no pipeline ${shown}`, {
      hint:
        file === undefined ? "It is what alamode.config.ts says." : "Name a module or a .dag file with -f.",
    });
  }
  if (statSync(path).isDirectory()) {
    const inside = USUAL.map((name) => join(path, name)).find(existsSync);
    throw new AlamodeError("no-pipeline", `${shown} is a folder, not a pipeline`, {
      hint:
        inside === undefined ? "Name a module or a .dag file." : `Say  -f ${herePath(inside, context.cwd)}`,
    });
  }
  const opened = await described(path, shown, context, anySlot);
  return {
    ...opened,
    file: path,
    async at(slot) {
      const loaded = await opened.at(slot);
      const { plan } = loaded;
      const { name } = plan.meta;
      return {
        ...loaded,
        name: typeof name === "string" && name !== "" ? name : relative(context.project, path),
        warnings: [
          ...planWarnings(plan),
          ...takeRemarks(),
          ...pathWarnings(context),
          ...(await scheduleWarnings(opened, plan, slot)),
        ],
        file: path,
        ...(slot === undefined ? {} : { slot }),
      };
    },
  };
}

/** One line where folders of the setting `path` are not there. */
function pathWarnings({ path }: Context): string[] {
  const missing = path === undefined ? [] : missingFolders(path);
  if (missing.length === 0) return [];
  return [`path in alamode.config.ts names what is not there: ${missing.join(", ")}`];
}

const MODULE = /^\.[cm]?[jt]sx?$/;

async function described(
  path: string,
  shown: string,
  context: Context,
  anySlot: boolean,
): Promise<OpenPipeline> {
  const { cwd, options } = context;
  const params = givenParams(options, cwd);
  const request = {
    params,
    now: Date.now(),
    anySlot,
    ...(options.date === undefined ? {} : { date: options.date }),
  };
  if (extname(path) === ".dag") {
    const [name] = [...Object.keys(params), ...(options.date === undefined ? [] : ["date"])];
    if (name !== undefined) {
      throw new AlamodeError(
        "bad-params",
        `${shown} is a plan, which takes no parameters: "${name}" was given`,
        {
          hint: "Name the pipeline that it was made of.",
        },
      );
    }
    return onePlan(await planFile(path, shown));
  }
  if (MODULE.test(extname(path))) {
    const { describeModule } = await import("./describe-module.ts");
    const careful: Careful = (work) => settling(shown, context, () => quietly(work));
    return describeModule(path, shown, request, careful);
  }
  const { describeProgram, isProgram, notAProgram } = await import("./describe-program.ts");
  if (!isProgram(path)) throw notAProgram(shown);
  return describeProgram(path, shown, request);
}

/** A plan file's schedule is not looked at here: it may be anything, and matters only to who schedules it. */
function onePlan(loaded: Omit<DescribedPlan, "params">): OpenPipeline {
  return {
    schedule: undefined,
    slots: [undefined],
    incomplete: 0,
    undated: true,
    params: {},
    nameOf: () => "",
    at: async () => ({ ...loaded, params: {} }),
  };
}

function usualFile({ cwd, project, settings }: Context): string {
  if (settings.pipeline !== undefined) return resolve(project, settings.pipeline);
  for (const dir of new Set([cwd, project])) {
    for (const name of USUAL) {
      if (existsSync(join(dir, name))) return join(dir, name);
    }
  }
  throw new AlamodeError("no-pipeline", "there is no pipeline.ts here", {
    hint: "Write one with  alamode init  or name another file:  -f PIPELINE",
  });
}

/** Does what runs an author's code: see `settling` and `quietly`. */
export type Careful = <T>(work: () => Promise<T>) => Promise<T>;

/** Tells of a module that waits for something that never comes: Node.js would end then without a word. */
async function settling<T>(shown: string, { options }: Context, work: () => Promise<T>): Promise<T> {
  const never = () => {
    const error = new AlamodeError("module-failed", `${shown} never finishes loading`, {
      hint: "An await in it waits for something that does not come.",
    });
    process.exit(tell(error, options.json === true));
  };
  process.once("beforeExit", never);
  try {
    return await work();
  } finally {
    process.off("beforeExit", never);
  }
}

/** What a module prints while it is loaded is not what was asked for on stdout: it goes to stderr. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log, info, debug } = console;
  Object.assign(console, { log: console.error, info: console.error, debug: console.error });
  try {
    return await work();
  } finally {
    Object.assign(console, { log, info, debug });
  }
}

async function planFile(path: string, shown: string): Promise<Omit<DescribedPlan, "params">> {
  try {
    return await loadWithDigest(path);
  } catch (error) {
    if (!(error instanceof AlamodeError)) throw error;
    // Messages name the file only; people may be elsewhere.
    throw error.message.startsWith(`${basename(path)}:`) && shown !== basename(path)
      ? new AlamodeError(error.code, `${shown}${error.message.slice(basename(path).length)}`, {
          facts: error.facts,
          ...(error.hint === undefined ? {} : { hint: error.hint }),
          cause: error,
        })
      : error;
  }
}
