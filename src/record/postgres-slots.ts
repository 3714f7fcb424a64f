// Slots of schedules in a shared record: which run has each.
import { slotTaken } from "./errors.ts";
import type { PostgresConnection, Session } from "./postgres-connection.ts";
import type { RecordDb, Run, RunId, ScheduleSlot } from "./types.ts";

interface SlotRow {
  readonly starts_at: number;
  readonly run: RunId;
  readonly id: number;
  readonly status: Run["status"];
  readonly lives: boolean;
}

export function slotCalls(db: PostgresConnection): Pick<RecordDb, "slots"> {
  return {
    async slots(pipeline, series, limit) {
      const rows = await db.rows<SlotRow>(
        `SELECT s.starts_at, r.run, r.id, r.status, lives(r.id) FROM schedule_slots s JOIN runs r ON r.id = s.run_id
         WHERE s.pipeline = ? AND s.series = ? ORDER BY s.starts_at DESC LIMIT ?`,
        pipeline,
        series,
        limit,
      );
      return rows.map(({ starts_at, run, id, status, lives }) => ({
        startsAt: starts_at,
        run,
        number: id,
        status: status === "running" && !lives ? "abandoned" : status,
      }));
    },
  };
}

/** Gives the slot to the run of that row. In the transaction that begins the run; throws `slot-taken`. */
export async function noteSlot(
  session: Session,
  pipeline: string,
  { series, startsAt }: ScheduleSlot,
  run: number,
): Promise<void> {
  const slot = [pipeline, series, startsAt] as const;
  // Whoever writes first has it; who comes at the same time waits here until that is decided.
  const [mine] = await session.rows(
    `INSERT INTO schedule_slots (pipeline, series, starts_at, run_id) VALUES (?, ?, ?, ?)
     ON CONFLICT (pipeline, series, starts_at) DO NOTHING RETURNING 1`,
    ...slot,
    run,
  );
  if (mine !== undefined) return;
  const [holder] = await session.rows<Omit<SlotRow, "starts_at">>(
    `SELECT r.run, r.id, r.status, lives(r.id) FROM schedule_slots s JOIN runs r ON r.id = s.run_id
     WHERE s.pipeline = ? AND s.series = ? AND s.starts_at = ? FOR UPDATE OF s`,
    ...slot,
  );
  const free = holder?.status === "interrupted" || (holder?.status === "running" && !holder.lives);
  if (!free) throw slotTaken(startsAt, holder?.id ?? 0);
  await session.rows(
    "UPDATE schedule_slots SET run_id = ? WHERE pipeline = ? AND series = ? AND starts_at = ?",
    run,
    ...slot,
  );
}
