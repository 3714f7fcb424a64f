// The reference's vectors, and the dag each of them describes.
import { readFileSync } from "node:fs";
import type { Bvalue } from "../../src/bencode/types.ts";
import { Dag } from "../../src/plan/dag.ts";
import { type ParsedJson, parseJson } from "../../src/plan/json-parse.ts";

type Map = { readonly [key: string]: ParsedJson };

export interface Vector {
  readonly name: string;
  readonly outputs: { readonly [task: string]: string };
  /** The whole plan file. */
  readonly plan: Uint8Array;
  /** Describes it anew. */
  dag(): Dag;
}

// Not by JSON.parse, which in Node 24 and 26 gives one of the keys wrongly; see json-parse.ts.
const file = parseJson(readFileSync(new URL("reference.json", import.meta.url), "utf8")) as Map;

export const vectors: readonly Vector[] = (file["vectors"] as readonly Map[]).map((vector) => ({
  name: vector["name"] as string,
  outputs: vector["outputs"] as { readonly [task: string]: string },
  plan: Buffer.from(vector["plan"] as string, "base64"),
  dag() {
    const dag = new Dag(value(vector["meta"]!) as { [key: string]: Bvalue });
    for (const [name, spec] of vector["tasks"] as readonly [string, ParsedJson][]) {
      dag.task(name, value(spec) as { [key: string]: Bvalue });
    }
    for (const [task, on] of vector["deps"] as readonly [string, string][]) {
      dag.tasks[task]!.addDep(dag.tasks[on]!);
    }
    return dag;
  },
}));

export function vectorNamed(name: string): Vector {
  const vector = vectors.find((vector) => vector.name === name);
  if (vector === undefined) throw new Error(`no vector ${name}`);
  return vector;
}

/** `{ $bytes }` is base64, `{ $int }` a decimal integer. */
function value(json: ParsedJson): Bvalue {
  if (typeof json !== "object") return json;
  if (json === null) throw new Error("no vector holds null");
  if (Array.isArray(json)) return (json as readonly ParsedJson[]).map(value);
  const map = json as Map;
  const [only, ...others] = Object.keys(map);
  if (others.length === 0 && only === "$bytes") return Buffer.from(map[only] as string, "base64");
  if (others.length === 0 && only === "$int") return BigInt(map[only] as string);
  const entries: { [key: string]: Bvalue } = Object.create(null);
  for (const key of Object.keys(map)) entries[key] = value(map[key]!);
  return entries;
}
