// Successes that lie in a store which this project does not name: their bytes may be as sound as ever, where colleagues see
// them. So nothing that is found here (or not found) is ever held against them.
import { fileURLToPath } from "node:url";
import { AlamodeError } from "../errors.ts";
import type { RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";

interface Both {
  readonly record: RecordDb;
  readonly stores: Stores;
}

/** Whether no store of this project is the one that the success names. */
export async function isElsewhere({ store }: Pick<Success, "store">, stores: Stores): Promise<boolean> {
  return (await stores.find(store)) === undefined;
}

/** Notes in the record that a success's bytes are gone or others, where it was its own store that was looked at. */
export async function markHere(
  success: Success,
  state: "lost" | "damaged",
  { record, stores }: Both,
): Promise<void> {
  if (!(await isElsewhere(success, stores))) await record.mark([success.id], state);
}

/** `error`, which reading the success gave; or what is to be said instead if it does not lie here. `name`: what it is called. */
export async function readingError(
  error: unknown,
  name: string,
  success: Success,
  both: Both,
): Promise<unknown> {
  const isMissing = error instanceof AlamodeError && error.code === "output-missing";
  if (!isMissing || !(await isElsewhere(success, both.stores))) return error;
  return elsewhereError([name], success, both);
}

/** What to say of results that are needed and lie there. `names`: what they are called, at least one. */
export async function elsewhereError(
  names: readonly string[],
  { store, execution: id }: Success,
  { record, stores }: Both,
): Promise<AlamodeError> {
  const shown = names.slice(0, 3).join(", ");
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  const execution = await record.execution(id);
  const run = execution && (await record.run(execution.run));
  const { url } = stores.main;
  const known = [url.startsWith("file://") ? fileURLToPath(url) : url, ...stores.names].join(", ");
  return new AlamodeError(
    "output-elsewhere",
    `${shown}${more} ${names.length === 1 ? "lies" : "lie"} in a store that this project does not name`,
    {
      facts: {
        store,
        ...(execution === undefined
          ? {}
          : { "made by": `${run?.user ?? execution.user} on ${execution.host}, run ${run?.number ?? "?"}` }),
        "looked in": known,
      },
      hint:
        "Name it in alamode.config.ts, as they do who made this:  stores: { theirs: 's3://bucket/prefix' }\n" +
        `If it is gone for good, so that all that lay there is to be made again:  alamode record forget-store ${store}`,
    },
  );
}
