// The one error class. What happened goes into the message, where into the facts, the way out into the hint;
// layout, colour and JSON are made by whoever prints it (cli).

/** A value that may be shown beside an error, e.g. `{ task: "blur", output: "82695e58…" }`. Never a secret. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

export interface ErrorDetails {
  readonly facts?: Facts;
  /** One imperative sentence: what to do next. */
  readonly hint?: string;
  /** True where the same call may succeed later without anything being changed. */
  readonly transient?: boolean;
  readonly cause?: unknown;
}

/** Every error this package throws on purpose. `code` is stable: scripts and tests match on it, never on the text. */
export class AlamodeError extends Error {
  readonly code: string;
  readonly facts: Facts;
  readonly hint: string | undefined;
  readonly transient: boolean;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "AlamodeError";
    this.code = code;
    this.facts = details.facts ?? {};
    this.hint = details.hint;
    this.transient = details.transient ?? false;
  }
}

/** Whether it is such an error; also of another copy of this package, which a project may have installed. */
export function isAlamodeError(error: unknown): error is AlamodeError {
  return (
    error instanceof AlamodeError ||
    (error instanceof Error && error.name === "AlamodeError" && "facts" in error)
  );
}

/** The errno name (`ENOENT`, `ENOSPC`…) of a system error, or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
