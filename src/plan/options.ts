// Options lie in the plan's meta, under the task's name, where they change no ID.
import { isPlainObject } from "../bencode/encode.ts";
import type { Bmap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import type { DagContent } from "./dag.ts";
import type { Task } from "./task.ts";
import type { Options } from "./types.ts";

// Global, because the pipeline may have loaded another copy of this package than whoever loads the pipeline.
const REMEMBERED = Symbol.for("a-la-mode.options");
type Global = { [REMEMBERED]?: WeakMap<object, Options> };

/**
 * Remembers what a task wants whose spec has this very `files` map: options that a fragment of a spec brings along. Copies of the
 * spec that hold the same map are meant as well.
 */
export function rememberOptions(files: object, options: Options): void {
  const known = (globalThis as Global)[REMEMBERED] ?? new WeakMap();
  (globalThis as Global)[REMEMBERED] = known;
  known.set(files, options);
}

/** A task's options: its own, over those that its spec brought; what is passed is added up. */
function optionsFor({ spec, options, hasOptions }: Task): Options | undefined {
  const { files } = spec;
  const brought = typeof files === "object" ? (globalThis as Global)[REMEMBERED]?.get(files) : undefined;
  if (brought === undefined) return hasOptions ? options : undefined;
  if (!hasOptions) return brought;
  const own = options["pass"] ?? [];
  const pass = [...(brought["pass"] as readonly string[]), ...(Array.isArray(own) ? own : [own])];
  return { ...brought, ...options, pass };
}

/** The dag's meta with each task's options put into `meta.options[task]`. A task without any is absent there. */
export function metaWithOptions({ meta, tasks }: DagContent): Bmap {
  const all = new Map<string, Options>();
  for (const task of tasks.values()) {
    const options = optionsFor(task);
    if (options !== undefined) all.set(task.name, options);
  }
  if (all.size === 0) return meta;
  const written: unknown = meta["options"] ?? {};
  if (!isPlainObject(written)) {
    throw new AlamodeError(
      "not-encodable",
      "meta.options: a map of task names is needed; tasks' options are kept here.",
      {
        hint: "Name it otherwise.",
      },
    );
  }
  for (const [name, options] of Object.entries(written as { [name: string]: Options })) {
    all.set(name, { ...options, ...all.get(name) });
  }
  return { ...meta, options: all };
}
