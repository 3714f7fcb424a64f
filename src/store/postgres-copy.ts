// COPY over a connection of pg, which leaves that to whoever submits such a query: rows stream out and in as text, never more of them in
// memory than the socket hands over at once.
import type pg from "pg";

/** The part of pg's connection that copies need, beyond what its types tell. */
interface CopyConnection extends pg.Connection {
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

/** What pg calls as the server answers a query that was submitted. */
class Copy implements pg.Submittable {
  readonly #sql: string;
  readonly #chunks: Buffer[] = [];
  readonly #input: ((connection: CopyConnection) => Promise<void>) | undefined;
  #connection: CopyConnection | undefined;
  #over = false;
  #error: unknown;
  #wake: () => void = () => {};

  constructor(sql: string, input?: (connection: CopyConnection) => Promise<void>) {
    this.#sql = sql;
    this.#input = input;
  }

  submit(connection: pg.Connection): void {
    this.#connection = connection as CopyConnection;
    connection.query(this.#sql);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    this.#input!(connection).then(
      () => connection.endCopyFrom(),
      (error: unknown) => {
        this.#error = error; // what the server then says of it is only our own message
        connection.sendCopyFail("called off");
      },
    );
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    this.#chunks.push(Buffer.from(chunk)); // pg uses its buffer again
    this.#connection!.stream.pause();
    this.#wake();
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#over = true;
    this.#wake();
  }

  handleError(error: unknown): void {
    this.#error ??= error;
    this.#over = true;
    this.#wake();
  }

  /** What comes, until it is over. Throws what went wrong. */
  async *chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#chunks.length > 1 ? Buffer.concat(this.#chunks) : this.#chunks[0];
      this.#chunks.length = 0;
      if (chunk !== undefined) yield chunk;
      else if (this.#over) break;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        this.#connection?.stream.resume();
        await promise;
      }
    }
    this.#connection?.stream.resume(); // for the next query's answer
    if (this.#error !== undefined) throw this.#error;
  }
}

/** What `COPY … TO STDOUT` gives. To be read to its end; a reader that stops early must drop the connection. */
export function copyOut(client: pg.ClientBase, sql: string): AsyncGenerator<Buffer> {
  return client.query(new Copy(sql)).chunks();
}

/** Performs `COPY … FROM STDIN` with these bytes. */
export async function copyIn(
  client: pg.ClientBase,
  sql: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const copy = new Copy(sql, async (connection) => {
    for await (const chunk of chunks) {
      connection.sendCopyFromChunk(chunk);
      const { stream } = connection;
      if (stream.writableNeedDrain)
        await new Promise((resolve) => stream.once("drain", resolve).once("close", resolve));
    }
  });
  for await (const _ of client.query(copy).chunks());
}
