// What the tables of schemas hold, for those who read them where they lie: by content, since whoever rules a server gets round every guard
// and every stamp. A digest reads and sorts all rows, so none is taken twice where one will do.
import type { PostgresServer, Session } from "./postgres-connection.ts";
import { stampsOf } from "./postgres-refusals.ts";
import { hashTables } from "./postgres-tables.ts";
import type { HashedTree, TreeDigest } from "./types.ts";

interface Known {
  readonly digest: TreeDigest;
  /** Of the moment when that was its digest. */
  readonly stamps: Uint8Array;
}

export class SchemaDigests {
  readonly #server: PostgresServer;
  /** By schema. */
  readonly #known = new Map<string, Known>();
  readonly #running = new Map<string, Promise<unknown>>();
  /** Not begun yet: whoever asks now shares it. */
  readonly #next = new Map<string, Promise<TreeDigest | undefined>>();

  constructor(server: PostgresServer) {
    this.#server = server;
  }

  note(schema: string, known: Known): void {
    this.#known.set(schema, known);
  }

  forget(schema: string): void {
    this.#known.delete(schema);
  }

  /** What a schema held when it was last digested here, if no stamp says that it was changed since; else as `now`. */
  async before(schema: string, signal?: AbortSignal): Promise<TreeDigest | undefined> {
    const known = this.#known.get(schema);
    const stamps = known && (await stampsOf(this.#server, schema));
    return stamps !== undefined && Buffer.compare(stamps, known!.stamps) === 0
      ? known!.digest
      : this.now(schema, signal);
  }

  /** What a schema holds at a moment after this call; undefined where there is none. */
  now(schema: string, signal?: AbortSignal): Promise<TreeDigest | undefined> {
    const coming = this.#next.get(schema);
    if (coming !== undefined) return coming;
    const next = (this.#running.get(schema) ?? Promise.resolve())
      .catch(() => {}) // those who asked for that one are told
      .then(async () => {
        this.#next.delete(schema);
        const running = this.#server.transaction(
          (session) => this.hash(session, schema, signal),
          "REPEATABLE READ READ ONLY",
        );
        this.#running.set(schema, running);
        try {
          return (await running)?.digest;
        } finally {
          if (this.#running.get(schema) === running) this.#running.delete(schema);
        }
      });
    this.#next.set(schema, next);
    return next;
  }

  /** Within a transaction; undefined where there is no such schema. */
  async hash(session: Session, schema: string, signal?: AbortSignal): Promise<HashedTree | undefined> {
    const stamps = await stampsOf(session, schema);
    if (stamps === undefined) {
      this.forget(schema);
      return undefined;
    }
    const hashed = await hashTables(session, schema, { signal });
    this.note(schema, { digest: hashed.digest, stamps });
    return hashed;
  }
}
