// The objects of one store in S3: small ones as bytes, large ones to and from files. Requests are repeated by the client, with
// jitter and within bounds; bodies that break off while they come are asked for again here, from where they broke off.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import { AlamodeError } from "../errors.ts";
import { openS3Client, type S3Patience, s3ErrorName, s3Status, s3Trouble } from "../plan/s3-client.ts";
import { Reach } from "./away.ts";
import { Limit } from "./limit.ts";
import type { S3Place } from "./s3-url.ts";

/** Files up to this size are one request, whose body is in memory; larger ones are sent in parts of at least as much. */
const PART_BYTES = 8 * 1024 * 1024;
/** S3 knows no more parts of an object than 10,000. */
const MOST_PARTS = 9_000;
/** Parts of one file that are in memory at once, unless they have to be larger. */
const PARTS_AT_ONCE = 4;
/** Larger files come in ranges of so much, several at a time. */
const RANGE_BYTES = 32 * 1024 * 1024;
const REQUESTS_AT_ONCE = 16;
/** With four parts each: 64 MiB. */
const LARGE_AT_ONCE = 2;
const ATTEMPTS = 8;
const BACKOFF_MS = 200;
const MOST_BACKOFF_MS = 20_000;
const KEY_BYTES = 1024;

/** Silent for so long, a connection is given up: slow links are not silent. */
const IDLE_MS = 60_000;

export interface S3Found {
  readonly size: number;
  /** What `putFile` noted; undefined for what others wrote. */
  readonly sha256: string | undefined;
}

/**
 * All methods throw `store-unreachable` (transient) when a server that is there at times was not, however often it was asked, and
 * `store-unusable` when it says no. Keys are without the store's prefix.
 */
export class S3Objects {
  readonly #client: S3Client;
  readonly #place: S3Place;
  readonly #attempts: number;
  readonly #requests = new Limit(REQUESTS_AT_ONCE);
  readonly #large = new Limit(LARGE_AT_ONCE);

  private constructor(client: S3Client, place: S3Place, attempts: number) {
    this.#client = client;
    this.#place = place;
    this.#attempts = attempts;
  }

  static async open(place: S3Place, patience: S3Patience = {}): Promise<S3Objects> {
    const asked = { idleMs: IDLE_MS, attempts: ATTEMPTS, ...patience };
    const client = await openS3Client(place, asked);
    tellAway(client, new Reach(`s3://${place.bucket}/${place.prefix}`));
    return new S3Objects(client, place, asked.attempts);
  }

  /** Writes an object. With `onlyNew` never over another: false where there is one. */
  async put(key: string, bytes: Uint8Array, { onlyNew = false } = {}): Promise<boolean> {
    const { PutObjectCommand } = await import("@aws-sdk/client-s3");
    const request = new PutObjectCommand({
      ...this.#object(key),
      Body: bytes,
      ...(onlyNew ? { IfNoneMatch: "*" } : {}),
    });
    try {
      await this.#requests.run(() => this.#client.send(request));
      return true;
    } catch (error) {
      if (onlyNew && (s3Status(error) === 412 || s3Status(error) === 409)) return false;
      throw this.#trouble(key, error);
    }
  }

  /**
   * Sends a file that has this digest (64 hex) and size: a large one not again where it lies there with that digest noted. Throws
   * `bad-output` where its content is another by now.
   */
  async putFile(
    key: string,
    file: { readonly path: string; readonly size: number; readonly sha256: string },
    signal?: AbortSignal,
  ): Promise<void> {
    signal?.throwIfAborted();
    if (file.size > PART_BYTES) return this.#large.run(() => this.#putLarge(key, file, signal));
    const { PutObjectCommand } = await import("@aws-sdk/client-s3");
    await this.#requests.run(async () => {
      const bytes = await readFile(file.path);
      checkContent(file, createHash("sha256").update(bytes).digest("hex"));
      const Metadata = { sha256: file.sha256 };
      try {
        await this.#client.send(
          new PutObjectCommand({ ...this.#object(key), Body: bytes, Metadata }),
          signal === undefined ? {} : { abortSignal: signal },
        );
      } catch (error) {
        throw this.#trouble(key, error, signal);
      }
    });
  }

  async #putLarge(
    key: string,
    file: { readonly path: string; readonly size: number; readonly sha256: string },
    signal?: AbortSignal,
  ): Promise<void> {
    const { path, size, sha256 } = file;
    if (await this.#holds(key, file)) return;
    const { Upload } = await import("@aws-sdk/lib-storage");
    const partSize = Math.max(PART_BYTES, Math.ceil(size / MOST_PARTS));
    const hash = createHash("sha256");
    const content = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal ? { signal } : {}) });
    /** What went wrong here, and not on the way. */
    let unreadable: Error | undefined;
    content
      .on("data", (piece) => hash.update(piece))
      .on("error", (error) => {
        unreadable = error;
      });
    const upload = new Upload({
      client: this.#client,
      params: { ...this.#object(key), Body: content, ContentLength: size, Metadata: { sha256 } },
      partSize,
      queueSize: Math.max(1, Math.floor((PARTS_AT_ONCE * PART_BYTES) / partSize)),
    });
    try {
      await upload.done();
    } catch (error) {
      if (unreadable !== undefined && !signal?.aborted) throw unreadable;
      // The answer to its completion was lost, and it was completed.
      if (s3ErrorName(error) === "NoSuchUpload" && (await this.#holds(key, file))) return;
      throw this.#trouble(key, error, signal);
    } finally {
      content.destroy();
    }
    checkContent(file, hash.digest("hex"));
  }

  async #holds(key: string, { size, sha256 }: { size: number; sha256: string }): Promise<boolean> {
    const found = await this.head(key);
    return found?.size === size && found.sha256 === sha256;
  }

  /** Undefined where there is no such object. */
  async head(key: string): Promise<S3Found | undefined> {
    const { HeadObjectCommand } = await import("@aws-sdk/client-s3");
    try {
      const found = await this.#requests.run(() =>
        this.#client.send(new HeadObjectCommand(this.#object(key))),
      );
      return { size: found.ContentLength ?? 0, sha256: found.Metadata?.["sha256"] };
    } catch (error) {
      if (s3Status(error) === 404 && s3ErrorName(error) !== "NoSuchBucket") return undefined;
      throw this.#trouble(key, error);
    }
  }

  /** A small object's bytes; undefined where there is none. */
  async get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const pieces: Uint8Array[] = [];
    const come = await this.#requests.run(() =>
      this.#read(key, { from: 0 }, (piece) => void pieces.push(piece), signal),
    );
    return come ? Buffer.concat(pieces) : undefined;
  }

  /** Writes an object of that size to a new file. False where there is no such object; its content is the caller's to check. */
  async getFile(key: string, to: string, sizeBytes: number, signal?: AbortSignal): Promise<boolean> {
    await using file = await open(to, "wx", 0o644);
    const range = (from: number, end: number | undefined) =>
      this.#requests.run(() => {
        let at = from;
        const write = async (piece: Uint8Array) => {
          at += await writeAll(file, piece, at);
        };
        return this.#read(key, { from, end }, write, signal);
      });
    if (sizeBytes <= RANGE_BYTES) return await range(0, undefined);
    const ranges: Promise<boolean>[] = [];
    for (let from = 0; from < sizeBytes; from += RANGE_BYTES)
      ranges.push(range(from, Math.min(from + RANGE_BYTES, sizeBytes)));
    const come = await Promise.allSettled(ranges); // nothing may be written any more when this ends
    for (const one of come) if (one.status === "rejected") throw one.reason;
    return come.every((one) => one.status === "fulfilled" && one.value);
  }

  /** Size and sha256 of an object's content, all of which is read; undefined where there is none. */
  async digest(key: string, signal?: AbortSignal): Promise<{ size: number; sha256: string } | undefined> {
    const hash = createHash("sha256");
    let size = 0;
    const take = (piece: Uint8Array) => {
      size += piece.length;
      hash.update(piece);
    };
    const come = await this.#requests.run(() => this.#read(key, { from: 0 }, take, signal));
    return come ? { size, sha256: hash.digest("hex") } : undefined;
  }

  /**
   * Hands over the bytes of an object, `end` exclusive, each once and in order, whatever breaks off meanwhile. False where there is no
   * such object.
   */
  async #read(
    key: string,
    { from, end }: { readonly from: number; readonly end?: number | undefined },
    take: (piece: Uint8Array) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    let at = from;
    let etag: string | undefined;
    /** What went wrong here, with what had come. */
    let refused: { readonly error: unknown } | undefined;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const isPart = at > 0 || end !== undefined;
      const request = new GetObjectCommand({
        ...this.#object(key),
        ...(isPart ? { Range: `bytes=${at}-${end === undefined ? "" : end - 1}` } : {}),
        // What broke off is gone on with, and never with the end of another object.
        ...(etag === undefined ? {} : { IfMatch: etag }),
      });
      let given: GetObjectCommandOutput;
      try {
        given = await this.#client.send(request, signal === undefined ? {} : { abortSignal: signal });
      } catch (error) {
        if (s3Status(error) === 404 && s3ErrorName(error) !== "NoSuchBucket") return false;
        throw this.#trouble(key, error, signal); // the client has asked again already
      }
      etag = given.ETag;
      const wanted = at + (given.ContentLength ?? 0);
      try {
        for await (const piece of given.Body as AsyncIterable<Uint8Array>) {
          try {
            await take(piece);
          } catch (error) {
            refused = { error };
            throw error;
          }
          at += piece.length;
        }
        if (at >= wanted) return true;
        throw new Error(`it broke off after ${at} of ${wanted} bytes`);
      } catch (error) {
        if (refused !== undefined) throw refused.error;
        if (signal?.aborted || attempt >= this.#attempts) throw this.#trouble(key, error, signal);
        const pauseMs = Math.random() * Math.min(MOST_BACKOFF_MS, BACKOFF_MS * 2 ** attempt);
        await wait(pauseMs, undefined, signal === undefined ? {} : { signal });
      }
    }
  }

  /** Keys that begin with `below`, in order; those after `after`. */
  async *list(
    below: string,
    { after }: { readonly after?: string } = {},
  ): AsyncGenerator<{ readonly keys: { key: string; size: number }[]; readonly isLast: boolean }> {
    const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
    const { bucket: Bucket, prefix } = this.#place;
    let ContinuationToken: string | undefined;
    do {
      const request = new ListObjectsV2Command({
        Bucket,
        Prefix: prefix + below,
        EncodingType: "url", // XML has no way to write control characters
        ...(after === undefined ? {} : { StartAfter: prefix + after }),
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      });
      try {
        const page = await this.#requests.run(() => this.#client.send(request));
        const keys = (page.Contents ?? []).map(({ Key = "", Size = 0 }) => ({
          key: decodeURIComponent(Key.replaceAll("+", " ")).slice(prefix.length),
          size: Size,
        }));
        ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
        yield { keys, isLast: ContinuationToken === undefined };
      } catch (error) {
        throw this.#trouble(below, error);
      }
    } while (ContinuationToken !== undefined);
  }

  async delete(key: string): Promise<void> {
    const { DeleteObjectCommand } = await import("@aws-sdk/client-s3");
    try {
      await this.#requests.run(() => this.#client.send(new DeleteObjectCommand(this.#object(key))));
    } catch (error) {
      throw this.#trouble(key, error);
    }
  }

  /** Throws `bad-output` for a key that S3 would not take. */
  checkKey(key: string, path: string): void {
    if (Buffer.byteLength(this.#place.prefix + key) <= KEY_BYTES) return;
    throw new AlamodeError(
      "bad-output",
      `it cannot be kept in S3, whose names have at most ${KEY_BYTES} bytes`,
      {
        facts: { path },
        hint: "Use shorter names, or pack them into an archive.",
      },
    );
  }

  close(): void {
    this.#client.destroy();
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#place.bucket, Key: this.#place.prefix + key };
  }

  #trouble(key: string, error: unknown, signal?: AbortSignal): unknown {
    if (signal?.aborted) return signal.reason;
    if (error instanceof AlamodeError) return error;
    const { bucket, prefix } = this.#place;
    const shown = `s3://${bucket}/${prefix}${key}`;
    const { what, transient, hint } =
      s3ErrorName(error) === "NoSuchBucket"
        ? {
            what: `there is no bucket "${bucket}"`,
            transient: false,
            hint: "Make it first, or check its name and endpoint.",
          }
        : s3Trouble(error);
    return new AlamodeError(transient ? "store-unreachable" : "store-unusable", `${shown}: ${what}`, {
      transient,
      ...(transient ? { hint: "It was tried several times. Run again when the store can be reached." } : {}),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

async function writeAll(file: FileHandle, piece: Uint8Array, at: number): Promise<number> {
  for (let done = 0; done < piece.length; ) {
    done += (await file.write(piece, done, piece.length - done, at + done)).bytesWritten;
  }
  return piece.length;
}

function checkContent({ path, sha256 }: { path: string; sha256: string }, now: string): void {
  if (now === sha256) return;
  throw new AlamodeError("bad-output", "it changed while it was sent to its store", { facts: { path } });
}

/** Notes how each attempt at a request ended: the client repeats them, and says nothing. */
function tellAway({ middlewareStack }: S3Client, reach: Reach): void {
  const began = new WeakMap<object, number>();
  middlewareStack.add(
    (next, context) => (request) => {
      began.set(context, performance.now());
      return next(request);
    },
    { step: "initialize", name: "noteBegin" },
  );
  // Of this step repeating has a higher priority, so what has a low one is within it.
  middlewareStack.add(
    (next, context) => async (request) => {
      try {
        const answer = await next(request);
        reach.answered();
        return answer;
      } catch (error) {
        const { transient, what } = s3Trouble(error);
        if (transient) reach.failed(began.get(context)!, what);
        throw error;
      }
    },
    { step: "finalizeRequest", priority: "low", name: "noteAttempt" },
  );
}
