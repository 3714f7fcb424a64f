// A task that is SQL needs a database for its output: told before anything runs, where its output is known to go elsewhere.
import { fileURLToPath } from "node:url";
import { AlamodeError } from "../errors.ts";
import type { Stores } from "../store/stores.ts";
import { throwAll } from "./problems.ts";
import type { Parsed } from "./work.ts";

/** Throws `bad-task` with all tasks that are SQL and go to a store of files; `unknown-store`, and why a store cannot be opened. */
export async function refuseSqlForFiles(tasks: Iterable<Parsed>, stores: Stores): Promise<void> {
  const problems: AlamodeError[] = [];
  for (const { task, runnable, options } of tasks) {
    if (runnable.sql === undefined) continue;
    const { performsSql, url } = await stores.named(options.store);
    if (!performsSql) problems.push(sqlForFiles(task, url));
  }
  throwAll(problems);
}

/** `store`: a path, or a URL without password. */
export function sqlForFiles(task: string, store: string): AlamodeError {
  const place = store.startsWith("file://") ? fileURLToPath(store) : store;
  return new AlamodeError(
    "bad-task",
    `task "${task}" cannot be run: it is SQL (spec.sql), and its output goes to a store of files, ${place}`,
    { hint: "Send it to a database:  options: { store: 'postgres://user@host/database' }" },
  );
}
