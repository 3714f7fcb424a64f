// Which tasks of a plan are published, and where: all paths are known, and known not to clash, before anything runs.
import { posix, sep } from "node:path";
import { AlamodeError } from "../errors.ts";
import type { Plan } from "../plan/types.ts";
import type { ConfiguredOptions } from "./options.ts";

/** Where one task's output is to be found. */
export interface Publication {
  /** Relative to the project, normal, with `/` between names. */
  readonly path: string;
  /** A copy, rather than a link into the store. */
  readonly copy: boolean;
}

/**
 * Task → where it is published. `kept`: folders relative to the project in which nothing may be published. Throws `bad-publish`
 * for paths that lead out of the project, and for two that are one, or one within the other.
 */
export function publicationsOf(
  plan: Plan,
  configured: ConfiguredOptions,
  kept: readonly string[] = [],
): ReadonlyMap<string, Publication> {
  const found = new Map<string, Publication>();
  const taken = new Map<string, string>();
  for (const task of configured.tasksWith(plan, "publish")) {
    const { publish } = configured.of(plan, task);
    if (publish === undefined) continue;
    const path = pathFor(task, publish.path);
    const within = kept.find((folder) => path === folder || path.startsWith(`${folder}/`));
    if (within !== undefined) throw bad(task, publish.path, `lies in ${within}, which the store keeps`);
    const other = taken.get(path);
    if (other !== undefined) throw clash(task, other, path);
    taken.set(path, task);
    found.set(task, { path, copy: publish.copy });
  }
  for (const [path, task] of taken) {
    for (let above = posix.dirname(path); above !== "."; above = posix.dirname(above)) {
      const other = taken.get(above);
      if (other !== undefined) throw clash(task, other, path);
    }
  }
  return found;
}

function pathFor(task: string, pattern: string): string {
  const name = task.slice(task.lastIndexOf("/") + 1);
  const text = pattern.replaceAll("{task}", () => task).replaceAll("{name}", () => name);
  const path = posix.normalize(text.split(sep).join("/")).replace(/\/+$/, "");
  if (path === "" || path === "." || text.includes("\0"))
    throw bad(task, pattern, "is no path of a file or folder");
  if (posix.isAbsolute(path) || path === ".." || path.startsWith("../"))
    throw bad(task, pattern, "leads out of the project");
  return path;
}

function bad(task: string, path: string, why: string): AlamodeError {
  return new AlamodeError("bad-publish", `task "${task}" cannot be published at "${path}": that ${why}`, {
    hint: "Name a path in the project, such as 'results/report.html'. For a copy elsewhere:  alamode get TASK DEST",
  });
}

function clash(task: string, other: string, path: string): AlamodeError {
  return new AlamodeError(
    "bad-publish",
    `tasks "${other}" and "${task}" would both be published at "${path}", or one within the other`,
    {
      hint: "Give each a path of its own; {task} and {name} stand for a task's name:  publish: 'results/{name}.csv'",
    },
  );
}
