// Where the data of source tasks is to be had: a URL, of an object in S3 too, or a folder or file that is read in place. Goes into
// meta.places, under the task's name, where it changes no ID: data is known by its content, wherever it comes from.
import { isAbsolute, resolve, sep } from "node:path";
import { isPlainObject } from "../bencode/encode.ts";
import type { Bmap, Bvalue } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import type { Task } from "./task.ts";
import type { Plan } from "./types.ts";

/**
 * `path` is absolute, and as the pipeline names it: `movedPlace` says where that is on this machine. `endpoint` and `region` say
 * which server a URL that begins with `s3://` means, where the pipeline does.
 */
export type Place =
  | { readonly url: string; readonly endpoint?: string; readonly region?: string }
  | { readonly path: string };

// Global, because the pipeline may have loaded another copy of this package than whoever loads the pipeline.
const PLACES = Symbol.for("a-la-mode.places");
const MOVED = Symbol.for("a-la-mode.moved-places");
type Global = { [PLACES]?: WeakMap<object, Place>; [MOVED]?: Readonly<Record<string, string>> };

/** Remembers where the data of a `source` map is. Copies of the spec that hold the same map are meant as well. */
export function rememberPlace(source: object, place: Place): void {
  const known = (globalThis as Global)[PLACES] ?? new WeakMap();
  (globalThis as Global)[PLACES] = known;
  known.set(source, place);
}

/** Says where folders and files lie on this machine that pipelines name otherwise: `{ "/shared/ref": "/mnt/ref" }`. */
export function setMovedPlaces(moved: Readonly<Record<string, string>>): void {
  (globalThis as Global)[MOVED] = moved;
}

/**
 * Where an absolute path of a pipeline is on this machine: by `ALAMODE_PLACES` (`/shared/ref=/mnt/ref:/data=/srv/data`), else by
 * what was set, else as it is. The longest folder that holds it decides.
 */
export function movedPlace(path: string, env: NodeJS.ProcessEnv = process.env): string {
  const asked = (env["ALAMODE_PLACES"] ?? "").split(":").filter((pair) => pair.includes("="));
  const all = new Map(Object.entries((globalThis as Global)[MOVED] ?? {}));
  for (const pair of asked) all.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
  const [found] = [...all]
    .map(([from, to]): [string, string] => [resolve(from), to])
    .filter(([from]) => path === from || path.startsWith(from === sep ? sep : from + sep))
    .sort(([a], [b]) => b.length - a.length);
  return found === undefined ? path : resolve(found[1], path.slice(found[0].length).replace(/^\/+/, ""));
}

/** `meta` with the places of these tasks' data. A task without any is absent there. */
export function metaWithPlaces(meta: Bmap, tasks: ReadonlyMap<string, Task>): Bmap {
  const all = new Map<string, Bvalue>();
  for (const { name, spec } of tasks.values()) {
    const { source } = spec;
    const place = typeof source === "object" ? (globalThis as Global)[PLACES]?.get(source) : undefined;
    if (place !== undefined) all.set(name, { ...place });
  }
  if (all.size === 0) return meta;
  const written: unknown = meta["places"] ?? {};
  if (!isPlainObject(written)) {
    throw new AlamodeError(
      "not-encodable",
      "meta.places: a map of task names is needed; where sources are is kept here.",
      {
        hint: "Name it otherwise.",
      },
    );
  }
  for (const [name, place] of Object.entries(written as Bmap)) all.set(name, place);
  return { ...meta, places: all };
}

/** Where the plan says that a source task's data is; undefined where it does not, or says nothing that is understood. */
export function placeOf(plan: Plan, task: string): Place | undefined {
  const { places } = plan.meta;
  if (typeof places !== "object" || Array.isArray(places)) return undefined;
  const place = (places as { readonly [task: string]: unknown })[task] as
    | Partial<Record<string, unknown>>
    | undefined;
  if (typeof place?.["url"] === "string") {
    const { url, endpoint, region } = place;
    return {
      url,
      ...(typeof endpoint === "string" ? { endpoint } : {}),
      ...(typeof region === "string" ? { region } : {}),
    };
  }
  const path = place?.["path"];
  return typeof path === "string" && isAbsolute(path) ? { path } : undefined;
}
