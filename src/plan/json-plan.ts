// A plan as JSON, as a program in any language prints it: `{ meta, tasks, deps }`, for which the IDs are computed here, or all of a
// plan with its IDs, as `alamode plan --json` prints it.
import { encode } from "../bencode/encode.ts";
import type { Bmap, Bvalue } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { Dag } from "./dag.ts";
import { type ParsedJson, parseJson } from "./json-parse.ts";
import { decodePlan } from "./load.ts";
import { nearNames } from "./near.ts";
import { mismatch } from "./plan-reader.ts";
import type { Task } from "./task.ts";
import type { Plan, Spec } from "./types.ts";

type JsonMap = { readonly [key: string]: ParsedJson };

/**
 * `deps` is `{ task: [names] }`, or `{ task: { dependency name: task } }`. An `output` that a task gives is checked. `name` is what
 * messages call it. Throws `not-json`, `not-a-plan`, `not-encodable`, `unknown-task`, `plan-mismatch`, `cycle`.
 */
export function planOfJson(text: string, name: string): Plan {
  const whole = mapOf(parseJson(text), "", name);
  for (const key of Object.keys(whole)) {
    if (["meta", "tasks", "deps"].includes(key)) continue;
    const [near] = nearNames(key, ["meta", "tasks", "deps"]);
    const meant = key.startsWith("dep") ? "deps" : near;
    throw notAPlan(
      name,
      `there is no place for "${key}"`,
      meant === undefined ? undefined : `Is "${meant}" meant?`,
    );
  }
  const { meta = {}, tasks, deps = {} } = whole;
  if (tasks === undefined) throw notAPlan(name, `it has no "tasks"`);
  const specs = mapOf(tasks, "tasks", name);
  const isWhole = Object.values(specs).some((spec) => isMap(spec) && Object.hasOwn(spec, "inputs"));
  if (isWhole && whole["deps"] === undefined) return decodePlan(encode({ meta, tasks } as Bmap), name);
  return described(mapOf(meta, "meta", name), specs, mapOf(deps, "deps", name), name);
}

function described(meta: JsonMap, specs: JsonMap, deps: JsonMap, name: string): Plan {
  const dag = new Dag(meta as Bmap);
  const tasks = new Map<string, Task>();
  const given = new Map<string, ParsedJson>();
  for (const [task, whole] of Object.entries(specs)) {
    const { output, ...spec } = mapOf(whole, `tasks.${task}`, name);
    if (output !== undefined) given.set(task, output);
    tasks.set(task, dag.task(task, spec as Spec));
  }
  const known = (task: unknown, where: string): Task => {
    const found = typeof task === "string" ? tasks.get(task) : undefined;
    if (found !== undefined) return found;
    const near = typeof task === "string" ? nearNames(task, tasks.keys()) : [];
    throw new AlamodeError("unknown-task", `${name}: ${where}: there is no task ${JSON.stringify(task)}.`, {
      hint: near.length === 0 ? `"tasks" says which there are.` : `Near: ${near.join(", ")}.`,
    });
  };
  for (const [task, all] of Object.entries(deps)) {
    const dependent = known(task, "deps");
    if (Array.isArray(all)) for (const other of all) dependent.addDep(known(other, `deps.${task}`));
    else
      for (const [as, other] of Object.entries(mapOf(all, `deps.${task}`, name)))
        dependent.addDep(known(other, `deps.${task}.${as}`), as);
  }
  const plan = dag.encode();
  for (const [task, output] of given) {
    const made = plan.tasks[task]!.output;
    if (made !== output) throw mismatch(name, task, String(output as Bvalue), made);
  }
  return plan;
}

function mapOf(value: ParsedJson | undefined, at: string, name: string): JsonMap {
  if (isMap(value)) return value;
  throw notAPlan(name, at === "" ? "a map is needed" : `${at}: a map is needed`);
}

function isMap(value: ParsedJson | undefined): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notAPlan(
  name: string,
  what: string,
  hint = `Print  {"meta": {}, "tasks": {"a": {"command": "…"}}, "deps": {"b": ["a"]}}`,
): AlamodeError {
  return new AlamodeError("not-a-plan", `${name} is no plan: ${what}.`, { hint });
}
