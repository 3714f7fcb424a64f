// Data in S3: what it calls an object's content, which objects there are, and their content into a file.
import { open } from "node:fs/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import { AlamodeError } from "../errors.ts";
import { openS3Client, type S3Options, s3Status, s3Trouble } from "./s3-client.ts";

export interface S3Object {
  readonly bucket: string;
  readonly key: string;
}

/** What S3 calls the content that an object has now. */
export interface S3Names {
  /** Undefined where versions are not kept: what is called "null" there is whatever was written last. */
  readonly versionId: string | undefined;
  /** 64 hex. Of the whole object, as S3 checked it when it came; undefined where nobody asked for that. */
  readonly sha256: string | undefined;
  /** Without its quotes; undefined where the server gives none, or a weak one. */
  readonly etag: string | undefined;
}

export interface S3Wanted {
  readonly object: S3Object;
  readonly versionId?: string;
  readonly etag?: string;
  /** Absolute path of the file, which must not exist. */
  readonly to: string;
  readonly signal?: AbortSignal;
}

/** One connection to a server, to be closed. All methods throw `fetch-failed`, which is transient where the same may work later. */
export interface S3 {
  /** Undefined where there is no such object. Throws `no-source` where there is no such bucket. */
  names(object: S3Object): Promise<S3Names | undefined>;
  /** Keys of all objects that begin with `prefix`. Throws `no-source` where there is no such bucket. */
  keys(bucket: string, prefix: string): Promise<string[]>;
  /** Fetches an object's content, of just that version or ETag where one is given; else says what has become of it. */
  fetch(wanted: S3Wanted): Promise<"fetched" | "changed" | "gone">;
  close(): void;
}

export function s3Url({ bucket, key }: S3Object): string {
  return `s3://${bucket}/${key}`;
}

/** Opens a connection, for which the client is loaded. */
export async function openS3(options: S3Options): Promise<S3> {
  return new SdkS3(await openS3Client(options));
}

class SdkS3 implements S3 {
  readonly #client: S3Client;

  constructor(client: S3Client) {
    this.#client = client;
  }

  async names(object: S3Object): Promise<S3Names | undefined> {
    const { HeadObjectCommand } = await import("@aws-sdk/client-s3");
    const { bucket: Bucket, key: Key } = object;
    try {
      const head = await this.#client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
      const { VersionId, ChecksumSHA256, ChecksumType, ETag } = head;
      return {
        versionId: VersionId === "null" ? undefined : VersionId,
        sha256: ChecksumType === "COMPOSITE" ? undefined : hexOf(ChecksumSHA256),
        etag: ETag === undefined || ETag.startsWith("W/") ? undefined : ETag.replaceAll('"', ""),
      };
    } catch (error) {
      if (s3Status(error) !== 404) throw failed(s3Url(object), error);
      await this.#checkBucket(Bucket); // an answer without a body does not say which of the two is missing
      return undefined;
    }
  }

  async keys(bucket: string, prefix: string): Promise<string[]> {
    const { paginateListObjectsV2 } = await import("@aws-sdk/client-s3");
    const found: string[] = [];
    try {
      const pages = paginateListObjectsV2({ client: this.#client }, { Bucket: bucket, Prefix: prefix });
      for await (const { Contents = [] } of pages) for (const { Key } of Contents) found.push(Key!);
    } catch (error) {
      if (s3Status(error) === 404) throw noBucket(bucket);
      throw failed(s3Url({ bucket, key: prefix }), error);
    }
    return found;
  }

  async fetch({ object, versionId, etag, to, signal }: S3Wanted): Promise<"fetched" | "changed" | "gone"> {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    const url = s3Url(object);
    const asked = new GetObjectCommand({
      Bucket: object.bucket,
      Key: object.key,
      ...(versionId === undefined ? {} : { VersionId: versionId }),
      ...(etag === undefined ? {} : { IfMatch: `"${etag}"` }),
    });
    let body: AsyncIterable<Uint8Array>;
    let announced: number | undefined;
    try {
      const given = await this.#client.send(asked, signal === undefined ? {} : { abortSignal: signal });
      body = given.Body as AsyncIterable<Uint8Array> & typeof given.Body;
      announced = given.ContentLength;
    } catch (error) {
      signal?.throwIfAborted();
      if (s3Status(error) === 412) return "changed";
      if (s3Status(error) === 404) return "gone";
      throw failed(url, error);
    }
    let sizeBytes = 0;
    await using file = await open(to, "wx", 0o644);
    for await (const piece of toldAs(body, url, signal)) {
      sizeBytes += piece.length;
      await file.writeFile(piece);
    }
    if (announced === undefined || announced === sizeBytes) return "fetched";
    throw new AlamodeError("fetch-failed", `${url}: it broke off after ${sizeBytes} of ${announced} bytes`, {
      transient: true,
    });
  }

  close(): void {
    this.#client.destroy();
  }

  async #checkBucket(bucket: string): Promise<void> {
    const { HeadBucketCommand } = await import("@aws-sdk/client-s3");
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: bucket }));
    } catch (error) {
      if (s3Status(error) === 404) throw noBucket(bucket);
    }
  }
}

/** The same pieces; what goes wrong while they come is told as a fetch that failed, and writing them is not meant. */
async function* toldAs(
  body: AsyncIterable<Uint8Array>,
  url: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(url, error);
  }
}

function failed(url: string, error: unknown): AlamodeError {
  const { what, transient, hint } = s3Trouble(error);
  return new AlamodeError("fetch-failed", `${url}: ${what}`, {
    transient,
    ...(hint === undefined ? {} : { hint }),
  });
}

function noBucket(bucket: string): AlamodeError {
  return new AlamodeError("no-source", `source("s3://${bucket}/…"): there is no bucket "${bucket}".`, {
    hint: "Check its name, and where it is: source('s3://…', { endpoint, region }).",
  });
}

/** S3 gives checksums in base64; one of several parts ends in `-<parts>` and is of none but itself. */
function hexOf(base64: string | undefined): string | undefined {
  if (base64 === undefined || !/^[A-Za-z0-9+/]{43}=$/.test(base64)) return undefined;
  return Buffer.from(base64, "base64").toString("hex");
}
