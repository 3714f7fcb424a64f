// alamode get: a copy of a task's output that is yours to keep and change.
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { jsonLine } from "../../bencode/as-json.ts";
import { producedPath } from "../../engine/output-path.ts";
import { type CommonOptions, contextOf, withBoth } from "../context.ts";
import { copyOut } from "../copy-out.ts";
import { EXIT, tell } from "../errors.ts";
import { herePath } from "../format.ts";
import { taskOf } from "../goals.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { notMade, readable } from "../lookup.ts";

export interface GetFlags extends CommonOptions {
  readonly force?: boolean;
}

export async function getCommand(what: string, dest: string | undefined, options: GetFlags): Promise<number> {
  const context = await contextOf(options);
  const { plan } = await loadPipeline(context);
  const { name, task } = taskOf(plan, what, "get");
  return withBoth(context, async (opened) => {
    const made = await readable(opened, task.output);
    if (made === undefined) {
      tell(notMade(context, name), options.json === true);
      return EXIT.failed;
    }
    const from = producedPath(made.path, task);
    const called = from === made.path ? basename(name) : basename(from);
    const asked = resolve(context.cwd, dest ?? called);
    const to = dest !== undefined && isFolder(dest, asked) ? join(asked, called) : asked;
    await copyOut(from, to, options.force === true);
    process.stdout.write(
      options.json
        ? `${jsonLine({ task: name, output: task.output, path: to })}\n`
        : `${name} → ${herePath(to, context.cwd)}\n`,
    );
    return EXIT.done;
  });
}

/** A folder that is named is copied into, as cp does; one that only happens to have the task's name is not. */
function isFolder(dest: string, path: string): boolean {
  return dest.endsWith("/") || (existsSync(path) && statSync(path).isDirectory());
}
