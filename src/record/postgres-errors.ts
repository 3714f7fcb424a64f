// PostgreSQL's errors in our words, and which of them pass by themselves.
import { AlamodeError, errnoOf } from "../errors.ts";
import { isUnreachable, sqlState } from "../postgres-server.ts";
import { ISOLATION_ASKED } from "./postgres-functions.ts";

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONFLICTS = new Set(["40001", "40P01"]); // serialization_failure, deadlock_detected

/** What the function `isolation_suffices` has to be told: whether the first suffices for the second. */
export function isolationAsked(error: unknown): readonly [have: string, want: string] | undefined {
  if (sqlState(error) !== ISOLATION_ASKED) return undefined;
  return JSON.parse((error as Error & { detail: string }).detail);
}

/** Whether two transactions got in each other's way, and this one was given up. */
export function isConflict(error: unknown): boolean {
  return CONFLICTS.has(sqlState(error) ?? "");
}

/** `error` as it is to be thrown on. `url` holds no password. */
export function postgresError(error: unknown, url: string): unknown {
  const facts = { record: url };
  const said = error instanceof Error ? error.message : String(error);
  const told = (code: string, message: string, hint: string) =>
    new AlamodeError(code, message, { facts, hint, cause: error });
  if (error instanceof AlamodeError) return error;
  if (isUnreachable(error)) return unreachable(error, url);
  const state = sqlState(error);
  switch (state) {
    case "28000":
    case "28P01":
      return told(
        "record-denied",
        `the record ${url} does not let us in: ${said}`,
        "Give the right user in the URL, and the password in PGPASSWORD or ~/.pgpass.",
      );
    case "3D000":
      return told(
        "record-unreachable",
        `the record ${url} is not there: ${said}`,
        "Make the database first:  createdb NAME",
      );
    case "42501":
      return told(
        "record-read-only",
        `the record ${url} cannot be written: ${said}`,
        "Let its owner grant what is missing, or open it as another user.",
      );
    case "53100":
      return told(
        "no-space",
        `no space left for the record ${url}`,
        "Free some space on the server and run again: what was recorded is kept.",
      );
    default:
  }
  const errno = errnoOf(error);
  if (errno === "ENOTFOUND" || /password must be a string|SASL|does not support SSL/i.test(said)) {
    // pg says of a missing password only that it is no text.
    const why = /password must be a string/.test(said) ? "it asks for a password, and none is given" : said;
    return told(
      errno === undefined ? "record-denied" : "record-unreachable",
      `the record ${url} cannot be opened: ${why}`,
      errno === undefined
        ? "Give the password in PGPASSWORD or ~/.pgpass."
        : "Check the name of the host in the URL.",
    );
  }
  return error;
}

export function unreachable(error: unknown, url: string): AlamodeError {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const said = first instanceof Error ? first.message : String(first);
  return new AlamodeError("record-unreachable", `the record ${url} cannot be reached: ${said}`, {
    facts: { record: url },
    hint: "See whether the database runs and lets this machine in, then run again.",
    transient: true,
    cause: error,
  });
}
