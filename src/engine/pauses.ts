// A shared record may be away for a while: whatever needs it waits then, and whoever watches is told so, once.
import type { Pause } from "../record/pause.ts";
import type { RecordDb } from "../record/types.ts";
import type { RunEvent } from "./events.ts";

/** Tells of pauses until it is disposed of. `kill` ends one too. */
export function tellPauses(
  record: RecordDb,
  emit: (event: RunEvent) => void,
  kill: AbortSignal | undefined,
): Disposable {
  let paused: Pause | undefined;
  const giveUp = () => paused?.giveUp();
  const deaf = record.onPause((pause) => {
    paused = pause;
    if (kill?.aborted) return giveUp();
    const event = "warning";
    if (pause === undefined)
      emit({ event, code: "record-back", message: "the record is there again: going on" });
    else emit({ event, code: "record-away", message: `${pause.error.message}. What needs it waits` });
  });
  kill?.addEventListener("abort", giveUp);
  return {
    [Symbol.dispose]() {
      deaf();
      kill?.removeEventListener("abort", giveUp);
    },
  };
}
