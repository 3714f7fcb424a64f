// A whole record, copied to another place or another kind. It stays the same record: it keeps its id, and all numbers. A copy
// that was cut off is taken up again by the same call, and cannot be used before it is whole.
import { AlamodeError } from "../errors.ts";
import type { Cell, RecordTables, Row, Table } from "./tables.ts";

/** How much goes over at once, about. */
const BATCH_BYTES = 4 * 1024 * 1024;
const FIRST_ROWS = 64;
const MOST_ROWS = 5_000;
const COPY_OF = "copy of ";
/** Tables whose rows go when what they say is over. In all others, what was written once stays. */
const PASSING: ReadonlySet<string> = new Set(["leases"]);

export interface Copied {
  /** Rows there are now, by table. */
  readonly rows: ReadonlyMap<string, number>;
}

/** `copied` is told of each batch: how many rows went over so far. Throws `record-in-use`, `record-not-empty`, `record-diverged`, `same-record`. */
export async function copyRecord(
  from: RecordTables,
  to: RecordTables,
  copied: (rows: number) => void = () => {},
): Promise<Copied> {
  const id = await from.identity();
  if (id.startsWith(COPY_OF)) throw incomplete(from.url);
  await nobodyAtWork(from);
  await nobodyAtWork(to);
  const tables = await from.tables();
  const there = await to.tables();
  await mayTake(id, tables, from, to);
  await to.setIdentity(`${COPY_OF}${id}`);
  if ((await from.identity()) !== id) {
    await to.setIdentity(id);
    throw new AlamodeError("same-record", `${to.url} would be copied to itself: it is ${from.url}`);
  }
  let done = 0;
  for (const table of tables) {
    if (!there.some(({ name }) => name === table.name))
      throw new Error(`table ${table.name} is missing. This is a bug; please report it.`);
    if (PASSING.has(table.name)) await to.clear(table);
    done = await copyTable(table, from, to, done, copied);
  }
  await to.finish();
  await nobodyAtWork(from);
  const rows = new Map<string, number>();
  for (const table of tables) {
    const [here, now] = [await from.count(table), await to.count(table)];
    if (here !== now) throw diverged(from, to, `it has ${now} ${table.name} instead of ${here}`);
    rows.set(table.name, now);
  }
  await to.setIdentity(id);
  return { rows };
}

/** Throws `record-incomplete` for the id of a record that is still being copied to. */
export function checkWhole(id: string, url: string): void {
  if (id.startsWith(COPY_OF)) throw incomplete(url);
}

async function copyTable(
  table: Table,
  from: RecordTables,
  to: RecordTables,
  done: number,
  copied: (rows: number) => void,
): Promise<number> {
  const at = table.key.map((column) => table.columns.indexOf(column));
  let limit = FIRST_ROWS;
  let after: Row | undefined;
  for (;;) {
    const rows = await from.read(table, after, limit);
    if (rows.length === 0) return done;
    await to.write(table, rows);
    done += rows.length;
    copied(done);
    if (rows.length < limit) return done;
    const last = rows.at(-1)!;
    after = at.map((i) => last[i]!);
    const bytes = rows.reduce((sum, row) => sum + row.reduce<number>((of, cell) => of + sizeOf(cell), 0), 0);
    limit = Math.max(1, Math.min(MOST_ROWS, Math.floor((rows.length * BATCH_BYTES) / Math.max(bytes, 1))));
  }
}

function sizeOf(cell: Cell): number {
  return typeof cell === "string" || cell instanceof Uint8Array ? cell.length + 8 : 8;
}

/** Only what is empty, or holds an earlier state of this very record. */
async function mayTake(
  id: string,
  tables: readonly Table[],
  from: RecordTables,
  to: RecordTables,
): Promise<void> {
  const found = await to.identity();
  if (found === `${COPY_OF}${id}`) return;
  if (found !== id) {
    for (const table of tables) {
      if ((await to.count(table)) === 0) continue;
      throw new AlamodeError("record-not-empty", `${to.url} holds another record already`, {
        facts: { from: from.url, to: to.url },
        hint: "Copy to a new file, or to another schema:  postgres://…?schema=NAME",
      });
    }
    return;
  }
  // The runs that it has must be the first ones of those to be copied: else it was used since, and would lose that.
  const runs = tables.find(({ name }) => name === "runs")!;
  const name = runs.columns.indexOf("run");
  const last = (await to.read(runs, undefined, Number.MAX_SAFE_INTEGER)).at(-1);
  if (last === undefined) return;
  const number = last[runs.columns.indexOf("id")]!;
  const [same] = await from.read(runs, [Number(number) - 1], 1);
  if (same?.[name] !== last[name]) throw diverged(from, to, `run ${number} is another there`);
}

async function nobodyAtWork(record: RecordTables): Promise<void> {
  const living = await record.living();
  if (living.length === 0) return;
  throw new AlamodeError("record-in-use", `run ${living[0]} of ${record.url} is going on`, {
    facts: { runs: living.join(", ") },
    hint: "Wait until it has ended, and copy then.",
  });
}

function incomplete(url: string): AlamodeError {
  return new AlamodeError("record-incomplete", `${url} was being copied to, and is not whole`, {
    hint: "Copy again, from where it was copied:  alamode record copy FROM TO",
  });
}

function diverged(from: RecordTables, to: RecordTables, how: string): AlamodeError {
  return new AlamodeError("record-diverged", `${to.url} is no earlier state of ${from.url}: ${how}`, {
    facts: { from: from.url, to: to.url },
    hint: "It was used since it was copied. Copy it back, or to a new place.",
  });
}
