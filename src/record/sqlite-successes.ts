// What is done, in the embedded record: current successes, history, trees, and what was found out about them since.
import type { OutputId } from "../plan/types.ts";
import type { Location } from "../store/types.ts";
import { notThere } from "./errors.ts";
import { isolationSuffices } from "./isolation.ts";
import { bytesOf, SELECT_SUCCESS, type SuccessRow, successOf } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { outputRow } from "./sqlite-plans.ts";
import type { Isolation, RecordDb, Standing, Success } from "./types.ts";

type SuccessCalls = Pick<
  RecordDb,
  | "successes"
  | "standing"
  | "history"
  | "locations"
  | "tree"
  | "stamps"
  | "mark"
  | "settle"
  | "settleThese"
  | "lastSuccess"
>;

const LOCATIONS =
  "SELECT DISTINCT location FROM successes WHERE output_id = ? AND store = ? AND state NOT IN ('lost', 'damaged')";

export function successCalls(db: SqliteConnection): SuccessCalls {
  return {
    successes: (outputs) => db.read(() => currentSuccesses(db, outputs)),
    standing: (outputs) => db.read(() => standing(db, outputs)),
    history: (output) =>
      db.read(() => {
        const sql = `${SELECT_SUCCESS} WHERE o.output = ? ORDER BY s.id DESC`;
        return db.all<SuccessRow>(sql, bytesOf(output)).map(successOf);
      }),
    locations: (output, store) =>
      db.readOne(() =>
        db
          .all<{ location: Location }>(LOCATIONS, outputRow(db, output) ?? 0, store)
          .map((row) => row.location)
          .sort(),
      ),
    tree: (digest) =>
      db.read(() => {
        const row = db.get<{ bytes: Uint8Array }>(
          "SELECT bytes FROM trees WHERE digest = ?",
          bytesOf(digest),
        );
        if (row === undefined) throw notThere(`tree ${digest}`, db.file);
        return row.bytes;
      }),
    stamps: (success) =>
      db.read(() => {
        const sql = `SELECT o.stamps FROM successes s JOIN successes o ON o.id = coalesce(s.alias_of, s.id) WHERE s.id = ?`;
        const row = db.get<{ stamps: Uint8Array }>(sql, success);
        if (row === undefined) throw notThere(`success ${success}`, db.file);
        return row.stamps;
      }),
    // What it stands for is left to it (table `standing`): what was made from it stays valid until it is made again.
    mark: (successes, state) =>
      db.write(() => {
        for (const original of originalsOf(db, successes))
          db.run("UPDATE successes SET state = ? WHERE id = ? OR alias_of = ?", state, original, original);
      }),
    settle: (store, host, boot, upTo) =>
      db.write(() => {
        const sql =
          "UPDATE successes SET settled = 1 WHERE settled = 0 AND store = ? AND host = ? AND boot = ? AND id <= ?";
        return db.run(sql, store, host, boot, upTo);
      }),
    settleThese: (successes) =>
      db.write(() => {
        for (const original of originalsOf(db, successes))
          db.run("UPDATE successes SET settled = 1 WHERE id = ? OR alias_of = ?", original, original);
      }),
    lastSuccess: () =>
      db.read(() => db.get<{ id: number }>("SELECT coalesce(max(id), 0) AS id FROM successes")!.id),
  };
}

/** The successes of the executions that made the bytes of these. */
function originalsOf(db: SqliteConnection, successes: readonly number[]): Set<number> {
  const sql = "SELECT coalesce(alias_of, id) AS id FROM successes WHERE id = ?";
  return new Set(successes.flatMap((success) => db.get<{ id: number }>(sql, success)?.id ?? []));
}

const CURRENT = `${SELECT_SUCCESS} JOIN standing c ON c.success_id = s.id WHERE c.output_id = ? AND s.state = 'current'`;

/** What stands for the output and has its bytes, as far as the record knows. */
export function currentSuccess(db: SqliteConnection, output: OutputId): Success | undefined {
  const outputId = outputRow(db, output);
  const row = outputId === undefined ? undefined : db.get<SuccessRow>(CURRENT, outputId);
  return row && successOf(row);
}

const CANDIDATES = `${SELECT_SUCCESS}
  WHERE s.resolved_key = ? AND s.alias_of IS NULL AND s.state NOT IN ('lost', 'damaged') ORDER BY s.id`;

/** Originals with this resolved key that may stand for others, earliest first. */
export function candidatesOf(db: SqliteConnection, resolvedKey: string, isolation: Isolation): Success[] {
  return db
    .all<SuccessRow>(CANDIDATES, bytesOf(resolvedKey))
    .map(successOf)
    .filter((success) => isolationSuffices(success.isolation, isolation));
}

function currentSuccesses(db: SqliteConnection, outputs: readonly OutputId[]): Map<OutputId, Success> {
  const found = new Map<OutputId, Success>();
  for (const output of outputs) {
    const success = currentSuccess(db, output);
    if (success !== undefined) found.set(output, success);
  }
  return found;
}

/** One statement for all, which gathers those that differ in their location alone: 4 µs each, where a row of each costs 8. */
function standing(db: SqliteConnection, outputs: readonly OutputId[]): (Standing | undefined)[] {
  const groups = db.all<Omit<Standing, "settled" | "location"> & { settled: number; places: string }>(
    `SELECT s.store, s.isolation, s.settled, s.host, s.boot, json_group_array(json_array(j.key, s.location)) AS places
     FROM json_each(?) j JOIN outputs o ON o.output = unhex(j.value) JOIN standing c ON c.output_id = o.id
       JOIN successes s ON s.id = c.success_id
     WHERE s.state = 'current' GROUP BY s.store, s.isolation, s.settled, s.host, s.boot`,
    JSON.stringify(outputs),
  );
  const found = new Array<Standing | undefined>(outputs.length).fill(undefined);
  for (const { places, settled, ...rest } of groups) {
    for (const [at, location] of JSON.parse(places) as [number, Location][])
      found[at] = { location, settled: settled === 1, ...rest };
  }
  return found;
}
