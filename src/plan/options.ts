// Options lie in the plan's meta, under the task's name, where they change no ID.
import { isPlainObject } from "../bencode/encode.ts";
import type { Bmap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import type { DagContent } from "./dag.ts";
import type { Options } from "./types.ts";

/** The dag's meta with each task's options put into `meta.options[task]`. A task without any is absent there. */
export function metaWithOptions({ meta, tasks }: DagContent): Bmap {
  const all = new Map<string, Options>();
  for (const task of tasks.values()) {
    if (task.hasOptions) all.set(task.name, task.options);
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
