// What a task with `expand` leaves at $OUTPUT for a dag: a plan file; or, where specs name files, data or modules that were
// read by this process, a folder that brings them along. The program of a step that is a function calls it.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { decode } from "../bencode/decode.ts";
import { AlamodeError } from "../errors.ts";
import { DAG, isDag } from "./dag.ts";
import { dagChunks } from "./encode.ts";
import { externalTask } from "./external-task.ts";
import { folderKeeper, keepAll } from "./keep-sources.ts";
import { moduleCode } from "./module.ts";
import { modulesIn } from "./module-keep.ts";
import { writeWhole } from "./save.ts";
import { sourcesIn } from "./sources.ts";
import type { Task } from "./task.ts";
import type { OutputId } from "./types.ts";

/**
 * Writes what a function returned to `path`, where nothing lies yet. Throws `no-dag` where it is none, `output-taken`, and as
 * `dag.save()` does.
 */
export async function writeExpansion(returned: unknown, path: string): Promise<void> {
  if (returned === undefined) return; // it wrote a plan itself, or the engine will miss it
  if (!isDag(returned)) {
    throw new AlamodeError("no-dag", "a task with `expand` returned something that is no dag", {
      hint: "Return the dag itself, or write a plan to the output and return nothing.",
    });
  }
  if (existsSync(path)) {
    throw new AlamodeError("output-taken", "a dag was returned, and something lies at the output already", {
      hint: "Do one or the other, and leave `produces` away.",
    });
  }
  const content = { ...returned[DAG] };
  const specs = [...content.tasks.values()].map((task) => task.spec);
  const bringsFiles =
    sourcesIn(specs).some(({ file }) => file !== undefined) ||
    modulesIn(specs).some((module) => moduleCode(module) !== undefined);
  if (!bringsFiles) return writeWhole(path, dagChunks(content));
  await mkdir(path);
  await keepAll(
    folderKeeper((name) => join(path, "sources", name)),
    specs,
  );
  await writeWhole(join(path, "plan.dag"), dagChunks(content));
}

/** The inputs of a task as tasks that those of the dag can depend on. `inputIds`: what $INPUT_IDS holds. */
export function inputTasks(inputIds: string): Record<string, Task> {
  const tasks: Record<string, Task> = Object.create(null);
  for (const [name, output] of Object.entries(decode(Buffer.from(inputIds)) as Record<string, OutputId>))
    tasks[name] = externalTask(name, output);
  return tasks;
}
