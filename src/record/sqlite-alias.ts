// Early cut-off in the embedded record: what was made once under a resolved key stands for whatever has the same key.
import { batches } from "./batches.ts";
import { isolationSuffices } from "./isolation.ts";
import { inputRows, placeOf, takePlace, writeInputs } from "./sqlite-commit.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { noteOutput } from "./sqlite-plans.ts";
import { candidatesOf, currentSuccess } from "./sqlite-successes.ts";
import type { AliasRequest, Millis, RecordDb, Success } from "./types.ts";

/** How many aliases one transaction writes. */
const MOST_ALIASES = 1000;

type AliasCalls = Pick<RecordDb, "candidates" | "alias">;

export function aliasCalls(db: SqliteConnection, now: () => Millis): AliasCalls {
  return {
    candidates(resolvedKeys, isolation) {
      const found = () => resolvedKeys.map((key) => candidatesOf(db, key, isolation));
      return resolvedKeys.length > 1 ? db.read(found) : db.readOne(found);
    },
    async alias(requests) {
      const answers: (Success | undefined)[] = [];
      // Others write between them, and the run listens.
      for (const some of batches(requests, MOST_ALIASES))
        answers.push(...(await db.write(() => some.map((request) => aliasOne(db, request, now())))));
      return answers;
    },
  };
}

function aliasOne(db: SqliteConnection, request: AliasRequest, madeAt: Millis): Success | undefined {
  const standing = currentSuccess(db, request.output);
  if (standing !== undefined && !standing.stale && isolationSuffices(standing.isolation, request.isolation)) {
    return standing;
  }
  const outputId = noteOutput(db, request.output);
  const inputs = inputRows(db, request.inputs);
  const place = placeOf(db, outputId, inputs, request.isolation);
  // Stamps are not copied: they may be long, and are looked up at the original.
  const written = db.get<{ id: number }>(
    `INSERT INTO successes (output_id, execution_id, alias_of, tree_id, resolved_key, location, store, isolation, state, stale,
       settled, host, boot, made_at, size_bytes, files, made_stale, stamps)
     SELECT ?, execution_id, id, tree_id, resolved_key, location, store, ?, ?, ?, settled, host, boot, ?, size_bytes,
       files, 0, x''
     FROM successes
     WHERE id = ? AND alias_of IS NULL AND state NOT IN ('lost', 'damaged')
     RETURNING id`,
    outputId,
    request.isolation,
    place.state,
    place.stale ? 1 : 0,
    madeAt,
    request.original,
  );
  if (written === undefined) return undefined;
  writeInputs(db, written.id, inputs);
  takePlace(db, outputId, written.id, place);
  return currentSuccess(db, request.output);
}
