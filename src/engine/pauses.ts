// A shared record or store may be away for a while: whatever needs it waits then, and whoever watches is told so, once.
import type { Pause } from "../record/pause.ts";
import type { RecordDb } from "../record/types.ts";
import { type AwayNews, onStoreAway } from "../store/away.ts";
import type { RunEvent } from "./events.ts";

type Warning = Extract<RunEvent, { event: "warning" }>;

/** Tells of pauses until it is disposed of. `kill` ends one of the record too. */
export function tellPauses(
  record: RecordDb,
  emit: (event: Warning) => void,
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
  const stores = onStoreAway((news) => {
    const code = news.why === undefined ? "store-back" : "store-away";
    emit({ event: "warning", code, message: storeNews(news) });
  });
  return {
    [Symbol.dispose]() {
      stores[Symbol.dispose]();
      deaf();
      kill?.removeEventListener("abort", giveUp);
    },
  };
}

/** In words. */
export function storeNews({ url, why }: AwayNews): string {
  return why === undefined
    ? `the store ${url} is there again: going on`
    : `the store ${url} cannot be reached: ${why}. What needs it waits, and tries again for a while`;
}
