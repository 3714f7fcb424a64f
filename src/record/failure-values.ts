// How an execution that failed ended, as the columns of its row: the same for each kind of record.
import { encode } from "../bencode/encode.ts";
import type { Failure, RecordDb } from "./types.ts";

/** Takes the values that `failureValues` gives. */
export const SET_FAILURE = `ended_at = ?, failure_kind = ?, failure_message = ?, failure_hint = ?, exit_code = ?, signal = ?,
  inputs = ?, max_rss_bytes = ?, user_ms = ?, system_ms = ?, log = ?, scratch = ?`;

/** The values of `SET_FAILURE`, in its order. */
export function failureValues(failure: Failure, end: Parameters<RecordDb["fail"]>[3]) {
  return [
    end.endedAt,
    failure.kind,
    failure.message,
    failure.hint ?? null,
    failure.exitCode ?? null,
    failure.signal ?? null,
    end.inputs === undefined ? null : encode(end.inputs),
    end.resources.maxRssBytes ?? null,
    end.resources.userMs ?? null,
    end.resources.systemMs ?? null,
    end.log ?? null,
    end.scratch ?? null,
  ];
}
