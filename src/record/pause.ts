// A shared record may be away for a while.

/** Calls wait for a database that is away. */
export interface Pause {
  readonly error: Error;
  /** Ends the wait: what waits throws `error`, and what comes after waits no more, until the database is there again. */
  giveUp(): void;
}

export type PauseListener = (pause: Pause | undefined) => void;
