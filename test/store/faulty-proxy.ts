// Stands between a client and a real server on this machine, and does to chosen requests what networks and servers do.
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export type Trouble =
  /** An answer that says no, with S3's word for why. */
  | { readonly kind: "answer"; readonly status: number; readonly code: string }
  /** The connection is reset before the server hears of it. */
  | { readonly kind: "reset" }
  /** The server does what it was asked, and the answer is lost. */
  | { readonly kind: "lost answer" }
  /** Half of the answer's body comes. */
  | { readonly kind: "cut off" }
  /** Nothing comes any more, and nothing closes. */
  | { readonly kind: "stall" }
  /** All of it comes, in small pieces. */
  | { readonly kind: "slow"; readonly pieceBytes: number };

export interface FaultyProxy {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string;
  /** What came, `<method> <path>`, in order. */
  readonly requests: readonly string[];
}

/** `trouble` is asked for each request, which it is given with how often the same was asked for before; undefined lets it through. */
export async function startFaultyProxy(
  t: Pick<TestContext, "after">,
  target: string,
  trouble: (request: string, before: number) => Trouble | undefined,
): Promise<FaultyProxy> {
  const requests: string[] = [];
  const seen = new Map<string, number>();
  const server = createServer((incoming, outgoing) => {
    const what = `${incoming.method} ${incoming.url}`;
    const before = seen.get(what) ?? 0;
    seen.set(what, before + 1);
    requests.push(what);
    serve(incoming, outgoing, target, trouble(what, before));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: string,
  trouble: Trouble | undefined,
): void {
  incoming.on("error", () => {});
  outgoing.on("error", () => {});
  if (trouble?.kind === "reset") return void incoming.socket.resetAndDestroy();
  if (trouble?.kind === "stall") return void incoming.resume();
  if (trouble?.kind === "answer") {
    incoming.resume().on("end", () => {
      outgoing.writeHead(trouble.status, { "content-type": "application/xml" });
      outgoing.end(`<Error><Code>${trouble.code}</Code><Message>no</Message></Error>`);
    });
    return;
  }
  const { hostname, port } = new URL(target);
  // With its headers as they are: the name of the host that was asked is part of what is signed.
  const forwarded = request({
    hostname,
    port,
    method: incoming.method,
    path: incoming.url,
    headers: incoming.headers,
  });
  forwarded.on("error", () => outgoing.destroy());
  forwarded.on("response", (answer) => {
    answer.on("error", () => outgoing.destroy());
    if (trouble?.kind === "lost answer") {
      answer.resume().on("end", () => incoming.socket.resetAndDestroy());
      return;
    }
    outgoing.writeHead(answer.statusCode!, answer.headers);
    if (trouble === undefined) return void answer.pipe(outgoing);
    const pieces: Buffer[] = [];
    answer.on("data", (piece: Buffer) => pieces.push(piece));
    answer.on("end", () => {
      const body = Buffer.concat(pieces);
      if (trouble.kind === "slow") return trickle(outgoing, body, trouble.pieceBytes);
      outgoing.write(body.subarray(0, body.length / 2), () => incoming.socket.destroy());
    });
  });
  incoming.pipe(forwarded);
}

/** Each piece once the one before it is on its way. */
function trickle(outgoing: ServerResponse, body: Buffer, pieceBytes: number): void {
  const [piece, rest] = [body.subarray(0, pieceBytes), body.subarray(pieceBytes)];
  if (rest.length === 0) outgoing.end(piece);
  else outgoing.write(piece, () => setImmediate(trickle, outgoing, rest, pieceBytes));
}
