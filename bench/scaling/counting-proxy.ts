// Stands between a client and a PostgreSQL server, and counts: bytes each way, and the server's ReadyForQuery messages, one for
// each round trip that the client waits for.

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

export interface Counted {
  roundTrips: number;
  bytesSent: number;
  bytesReceived: number;
}

export interface CountingProxy {
  readonly port: number;
  /** What came since it was asked last. */
  take(): Counted;
  close(): void;
}

const READY = "Z".charCodeAt(0);
/** Type and length. */
const HEAD_BYTES = 5;

export async function startCountingProxy(serverPort: number): Promise<CountingProxy> {
  const none = (): Counted => ({ roundTrips: 0, bytesSent: 0, bytesReceived: 0 });
  let counted = none();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(serverPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
    }
    client.on("data", (bytes) => {
      counted.bytesSent += bytes.length;
    });
    const read = messages((type) => {
      if (type === READY) counted.roundTrips++;
    });
    upstream.on("data", (bytes) => {
      counted.bytesReceived += bytes.length;
      read(bytes as Buffer);
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    take() {
      const taken = counted;
      counted = none();
      return taken;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Calls `seen` with the type of each message in a stream that comes in pieces. */
function messages(seen: (type: number) => void): (bytes: Buffer) => void {
  const head = Buffer.alloc(HEAD_BYTES);
  let have = 0;
  let skip = 0;
  return (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (skip > 0) {
        const step = Math.min(skip, bytes.length - at);
        skip -= step;
        at += step;
        continue;
      }
      head[have++] = bytes[at++]!;
      if (have < HEAD_BYTES) continue;
      seen(head[0]!);
      skip = head.readUInt32BE(1) - 4;
      have = 0;
    }
  };
}
