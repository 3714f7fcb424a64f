// Stands between a client and its server, and swallows the answer to one call: the server has done what was asked, and the
// connection breaks before anybody hears of it.
import { connect, createServer, type Server, type Socket } from "node:net";

export interface AnswerEater {
  readonly port: number;
  /** Of the next request that holds this text the answer is lost. Resolves once it is. */
  eat(text: string): Promise<void>;
  close(): Promise<void>;
}

export async function startAnswerEater(host: string, port: number): Promise<AnswerEater> {
  const sockets = new Set<Socket>();
  let wanted: { readonly text: string; readonly eaten: () => void } | undefined;
  const server: Server = createServer((client) => {
    const upstream = connect(port, host);
    let doomed: (() => void) | undefined;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes) => {
      if (wanted !== undefined && bytes.includes(wanted.text)) {
        doomed = wanted.eaten;
        wanted = undefined;
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      if (doomed === undefined) return void client.write(bytes);
      doomed();
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    eat: (text) =>
      new Promise((eaten) => {
        wanted = { text, eaten };
      }),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
