// Slots of schedules in the embedded record: which run has each. Two that are started at once for one slot meet here.
import { slotTaken } from "./errors.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { readWithDead, runLives } from "./sqlite-live.ts";
import type { RecordDb, Run, RunId, ScheduleSlot } from "./types.ts";

export function slotCalls(db: SqliteConnection): Pick<RecordDb, "slots"> {
  return {
    async slots(pipeline, series, limit) {
      const read = () =>
        db.all<SlotRow>(
          `SELECT s.starts_at, r.run, r.id, r.status FROM schedule_slots s JOIN runs r ON r.id = s.run_id
           WHERE s.pipeline = ? AND s.series = ? ORDER BY s.starts_at DESC LIMIT ?`,
          pipeline,
          series,
          limit,
        );
      const { rows, isDead } = await readWithDead(db, read, (row) => row.status === "running");
      return rows.map((row) => ({
        startsAt: row.starts_at,
        run: row.run,
        number: row.id,
        status: isDead(row) ? "abandoned" : row.status,
      }));
    },
  };
}

interface SlotRow {
  readonly starts_at: number;
  readonly run: RunId;
  readonly id: number;
  readonly status: Run["status"];
}

/** Gives the slot to the run of that row. In the write transaction that begins the run; throws `slot-taken`. */
export function noteSlot(
  db: SqliteConnection,
  pipeline: string,
  { series, startsAt }: ScheduleSlot,
  run: number,
): void {
  const holder = db.get<Omit<SlotRow, "starts_at">>(
    `SELECT r.run, r.id, r.status FROM schedule_slots s JOIN runs r ON r.id = s.run_id
     WHERE s.pipeline = ? AND s.series = ? AND s.starts_at = ?`,
    pipeline,
    series,
    startsAt,
  );
  const free =
    holder === undefined ||
    holder.status === "interrupted" ||
    (holder.status === "running" && !runLives(db, holder.run));
  if (!free) throw slotTaken(startsAt, holder.id);
  db.run(
    `INSERT INTO schedule_slots (pipeline, series, starts_at, run_id) VALUES (?, ?, ?, ?)
     ON CONFLICT (pipeline, series, starts_at) DO UPDATE SET run_id = excluded.run_id`,
    pipeline,
    series,
    startsAt,
    run,
  );
}
