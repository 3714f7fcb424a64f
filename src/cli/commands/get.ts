// alamode get: a copy of a task's output that is yours to keep and change.
import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { jsonLine } from "../../bencode/as-json.ts";
import { producedPath } from "../../engine/output-path.ts";
import { AlamodeError } from "../../errors.ts";
import { copyOut } from "../../store/copy-out.ts";
import { type CommonOptions, type Context, contextOf, withBoth } from "../context.ts";
import { EXIT, tell } from "../errors.ts";
import { herePath, nameText } from "../format.ts";
import { taskOf } from "../goals.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { damageOf, notMade, readable } from "../lookup.ts";

export interface GetFlags extends CommonOptions {
  readonly force?: boolean;
}

export async function getCommand(what: string, dest: string | undefined, options: GetFlags): Promise<number> {
  const context = await contextOf(options);
  const { plan } = await loadPipeline(context);
  const { name, task } = taskOf(plan, what, "get");
  return withBoth(context, async (opened) => {
    const made = await readable(opened, task.output, name);
    if (made === undefined) {
      tell(notMade(context, name), options.json === true);
      return EXIT.failed;
    }
    const from = producedPath(made.path, task);
    const called = from === made.path ? basename(name) : basename(from);
    const to = destination(context, dest, called);
    const damage = await damageOf(context, opened, name, made.success);
    if (damage !== undefined) {
      tell(damage, options.json === true);
      return EXIT.failed;
    }
    await copyOut(from, to, options.force === true);
    process.stdout.write(
      options.json
        ? `${jsonLine({ task: name, output: task.output, path: to })}\n`
        : `${nameText(name)} → ${herePath(to, context.cwd)}\n`,
    );
    return EXIT.done;
  });
}

/**
 * Where the copy goes. Throws `bad-destination` for a name that is none for a file, and for what must not be replaced even by
 * force: the folder one is in, the project, the store, and what these lie in.
 */
function destination(context: Context, dest: string | undefined, called: string): string {
  const { cwd, project, storeDir } = context;
  const asked = resolve(cwd, dest ?? called);
  const into = dest === undefined || isFolder(dest, asked);
  if (into && (called === "" || called === "." || called === "..")) {
    throw new AlamodeError("bad-destination", `"${called}" is no name that a copy can have`, {
      hint: "Say what to call it:  alamode get TASK DEST",
    });
  }
  const to = dest !== undefined && into ? join(asked, called) : asked;
  const above = dirname(to);
  const place = existsSync(above) ? join(realpathSync(above), basename(to)) : to;
  for (const kept of [cwd, project, storeDir]) {
    const below = relative(place, kept);
    if (below === ".." || below.startsWith("../")) continue;
    throw new AlamodeError("bad-destination", `a copy must not take the place of ${to}`, {
      facts: { "it is, or holds": kept },
      hint: "Say where else it should go:  alamode get TASK DEST",
    });
  }
  return to;
}

/** A folder that is named is copied into, as cp does; one that only happens to have the task's name is not. */
function isFolder(dest: string, path: string): boolean {
  return dest.endsWith("/") || (existsSync(path) && statSync(path).isDirectory());
}
