// Gets what lies at a URL into a file, and its digest while it comes. What a server may do wrong is told as what it is.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { AlamodeError } from "../errors.ts";

export interface Fetched {
  /** 64 hex. */
  readonly sha256: string;
  /** The server's name for these very bytes; undefined where it gives none, or a weak one. */
  readonly etag: string | undefined;
}

export interface FetchOptions {
  /** Absolute path of the file, which must not exist. */
  readonly to: string;
  /** What was fetched before: undefined is the answer where it is still that. */
  readonly etag?: string | undefined;
  readonly signal?: AbortSignal;
}

/** Refuses what is no URL that can be fetched. Throws `bad-url`. */
export function checkUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "http:" && parsed?.protocol !== "https:") {
    throw new AlamodeError(
      "bad-url",
      `source({ url: ${JSON.stringify(url)} }): an http or https URL is needed.`,
    );
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new AlamodeError(
      "bad-url",
      `source({ url }): the URL of ${parsed.host} holds a password, and plans are shown and kept.`,
      {
        hint: "Fetch it in a task with a command, and hand the password over by the option pass.",
      },
    );
  }
}

/** A URL without what may be a secret in it, for messages. */
export function shownUrl(url: string): string {
  if (!/^https?:/.test(url)) return url;
  const { origin, pathname, search } = new URL(url);
  return origin + pathname + (search === "" ? "" : "?…");
}

/** Throws `fetch-failed`, which is transient unless the server says that there is no such thing. */
export async function fetchUrl(
  url: string,
  { to, etag, signal }: FetchOptions,
): Promise<Fetched | undefined> {
  const shown = shownUrl(url);
  const failed = (what: string, transient: boolean, cause?: unknown) =>
    new AlamodeError("fetch-failed", `${shown}: ${what}`, { transient, cause });
  let response: Response;
  try {
    response = await fetch(url, {
      // As the server keeps it: the digest is of the bytes, not of one way to pack them.
      headers: { "accept-encoding": "identity", ...(etag === undefined ? {} : { "if-none-match": etag }) },
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(whyNot(error), true, error);
  }
  if (response.status === 304 && etag !== undefined) return undefined;
  if (response.status !== 200) {
    await response.body?.cancel();
    const via = response.redirected ? ` (led to ${shownUrl(response.url)})` : "";
    const said = `the server answered ${response.status} ${response.statusText}`.trimEnd();
    throw failed(said + via, response.status >= 500 || response.status === 429);
  }
  const hash = createHash("sha256");
  let sizeBytes = 0;
  await using file = await open(to, "wx");
  try {
    for await (const piece of response.body ?? []) {
      hash.update(piece);
      sizeBytes += piece.length;
      await file.writeFile(piece);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && "errno" in error) throw error;
    throw failed(`it broke off after ${sizeBytes} bytes: ${whyNot(error)}`, true, error);
  }
  const announced = response.headers.get("content-length");
  if (announced !== null && !response.headers.has("content-encoding") && Number(announced) !== sizeBytes) {
    throw failed(`it broke off after ${sizeBytes} of ${announced} bytes`, true);
  }
  const given = response.headers.get("etag");
  return { sha256: hash.digest("hex"), etag: given === null || given.startsWith("W/") ? undefined : given };
}

/** Why a request came to nothing, in words. fetch says "fetch failed", and why in the causes. */
export function whyNot(error: unknown): string {
  let found = error;
  while (found instanceof Error && found.cause instanceof Error) found = found.cause;
  if (!(found instanceof Error)) return String(found);
  const { code } = found as NodeJS.ErrnoException;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "there is no such host, or no network";
  if (code === "ECONNREFUSED") return "the server refuses connections";
  return found.message || String(code ?? found.name);
}
