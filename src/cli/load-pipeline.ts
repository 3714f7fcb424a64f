// From a PIPELINE, as people name it, to a plan: a module whose default export is a dag or a function that gives one, or
// a .dag file.
import { existsSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { AlamodeError } from "../errors.ts";
import { type Dag, isDag } from "../plan/dag.ts";
import { loadPlan } from "../plan/load.ts";
import { takeRemarks } from "../plan/remarks.ts";
import { setSourceBase } from "../plan/sources.ts";
import { planWarnings } from "../plan/spec-warnings.ts";
import type { Plan } from "../plan/types.ts";
import type { Context } from "./context.ts";
import { tell } from "./errors.ts";
import { herePath } from "./format.ts";
import { authorsError, isOurs, loadModule } from "./load-module.ts";

export interface Pipeline {
  readonly plan: Plan;
  /** What the record calls it: `meta.name`, else the file's path relative to the project. */
  readonly name: string;
  /** One line each. */
  readonly warnings: readonly string[];
  /** Absolute path of the module or plan file. */
  readonly file: string;
}

const USUAL = ["pipeline.ts", "pipeline.mts", "pipeline.js", "pipeline.mjs"];

/** The pipeline that `-f`, else the settings, else the usual names say. */
export async function loadPipeline(context: Context, file = context.options.file): Promise<Pipeline> {
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
  const plan =
    extname(path) === ".dag"
      ? await planFile(path, shown)
      : await settling(shown, context, () => quietly(() => planOfModule(path, shown)));
  const { name } = plan.meta;
  return {
    plan,
    name: typeof name === "string" && name !== "" ? name : relative(context.project, path),
    warnings: [...planWarnings(plan), ...takeRemarks()],
    file: path,
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

async function planFile(path: string, shown: string): Promise<Plan> {
  try {
    return await loadPlan(path);
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

async function planOfModule(path: string, shown: string): Promise<Plan> {
  setSourceBase(dirname(path));
  const exported = await loadModule(path);
  if (!("default" in exported)) {
    const dag = Object.keys(exported).find((key) => isDag(exported[key]));
    throw new AlamodeError("no-default-export", `${shown} has no default export`, {
      hint: `End it with  export default ${dag ?? "dag"}`,
    });
  }
  const dag = await dagOf(exported["default"], path, shown);
  try {
    return dag.encode();
  } catch (error) {
    throw isOurs(error) ? authorsError(error, path) : error;
  }
}

async function dagOf(exported: unknown, path: string, shown: string): Promise<Dag> {
  const called = typeof exported === "function";
  let value: unknown;
  try {
    value = await (called ? exported() : exported);
  } catch (error) {
    throw authorsError(error, path);
  }
  if (isDag(value)) return value;
  const what =
    value === null
      ? "null"
      : Array.isArray(value)
        ? "a list"
        : value === undefined
          ? "nothing"
          : `a ${typeof value}`;
  throw new AlamodeError(
    "not-a-dag",
    called
      ? `${shown}: the function it exports gave ${what}, not a Dag`
      : `${shown}: its default export is ${what.replace("a object", "an object")}, not a Dag`,
    { hint: "Make one with  new Dag()  of a-la-mode, and export it or a function that returns it." },
  );
}
