// Objects in S3 as data. A spec names each by what names its content there: a version, a sha256 or an ETag, so that describing
// a pipeline reads none of it. Why, and in which order: docs/decisions/010-s3-client.md
import { posix } from "node:path";
import { sortUtf8 } from "../bencode/order.ts";
import { AlamodeError } from "../errors.ts";
import { openS3, type S3, type S3Names, type S3Object, s3Url } from "./fetch-s3.ts";
import type { Place } from "./places.ts";
import { checkEndpoint, type S3Options } from "./s3-client.ts";

/** What a spec says instead of a sha256: an object, and what S3 calls its content. */
export interface S3Digest extends S3Object {
  readonly by: "version" | "etag";
  readonly name: string;
}

/** How many objects are asked for at once. */
const AT_ONCE = 16;

export function isS3Url(url: string): boolean {
  return url.startsWith("s3://");
}

/**
 * Asks S3 what the object at `s3://bucket/key` is called now, or all of those below `s3://bucket/folder/`. Relative path → what a
 * spec says of it; a lone object has the path "".
 * Throws `bad-url`, `no-source`, `source-clash`, `fetch-failed`.
 */
export async function pinS3(url: string, options: S3Options): Promise<{ [path: string]: string }> {
  if (options.endpoint !== undefined) checkEndpoint(options.endpoint, `source("${url}", { endpoint })`);
  const { bucket, key } = parseS3Url(url);
  const isFolder = key === "" || key.endsWith("/");
  const s3 = await openS3(options);
  try {
    const paths = isFolder ? pathsBelow(url, key, await s3.keys(bucket, key)) : [""];
    const digests = await eachOf(paths, (path) => digestOf(s3, { bucket, key: key + path }));
    const source: { [path: string]: string } = Object.create(null);
    for (const [i, path] of paths.entries()) source[path] = digests[i]!;
    return source;
  } finally {
    s3.close();
  }
}

/** Does something with each, several at a time, and gives what came of it, in order. Stops at the first error. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  let isOver = false;
  const worker = async () => {
    while (next < items.length && !isOver) {
      const at = next++;
      results[at] = await work(items[at]!);
    }
  };
  const workers = Array.from({ length: AT_ONCE }, () =>
    worker().catch((error: unknown) => {
      isOver = true;
      throw error;
    }),
  );
  await Promise.allSettled(workers); // nothing may still be written when this ends
  await Promise.all(workers);
  return results;
}

/** Undefined for a sha256, and for anything else that is no name of an object in S3. */
export function parseS3Digest(text: string): S3Digest | undefined {
  const [, by, name, bucket, key] = /^s3-(version|etag):([^:/\s]+):s3:\/\/([\w.-]+)\/(.+)$/s.exec(text) ?? [];
  if (by === undefined) return undefined;
  try {
    return { by: by as S3Digest["by"], name: decodeURIComponent(name!), bucket: bucket!, key: key! };
  } catch {
    return undefined;
  }
}

/** For people: `s3://bucket/key by version 3HL4kqt`. Undefined for what is no name of an object in S3. */
export function s3DigestText(digest: string): string | undefined {
  const parsed = parseS3Digest(digest);
  return parsed === undefined ? undefined : `${s3Url(parsed)} by ${parsed.by} ${parsed.name}`;
}

/** The object that a file of a source task is fetched from; undefined where it is in no S3. */
export function s3ObjectOf(path: string, digest: string, place: Place | undefined): S3Object | undefined {
  const named = parseS3Digest(digest);
  if (named !== undefined || place === undefined || !("url" in place) || !isS3Url(place.url)) return named;
  const { bucket, key } = parseS3Url(place.url);
  return { bucket, key: key + path };
}

function parseS3Url(url: string): S3Object {
  const [, bucket, key] = /^s3:\/\/([\w.-]+)\/(.*)$/s.exec(url) ?? [];
  if (bucket !== undefined && key !== undefined) return { bucket, key };
  throw new AlamodeError("bad-url", `source("${url}"): this names neither an object nor a folder in S3.`, {
    hint: "Write 's3://bucket/key' for an object, 's3://bucket/folder/' for all below it, 's3://bucket/' for all.",
  });
}

/** Version before checksum before ETag: what can still be had later comes first, what only tells that it was changed last. */
async function digestOf(s3: S3, object: S3Object): Promise<string> {
  const names = await s3.names(object);
  if (names === undefined) {
    throw new AlamodeError("no-source", `source("${s3Url(object)}"): there is no such object.`, {
      hint: "Check its key. All objects below a folder are had with a / at the end; patterns are not understood here.",
    });
  }
  return s3Digest(object, names);
}

export function s3Digest(object: S3Object, { versionId, sha256, etag }: S3Names): string {
  if (versionId !== undefined) return `s3-version:${encodeURIComponent(versionId)}:${s3Url(object)}`;
  if (sha256 !== undefined) return sha256;
  if (etag) return `s3-etag:${encodeURIComponent(etag)}:${s3Url(object)}`;
  throw new AlamodeError(
    "fetch-failed",
    `${s3Url(object)}: the server gives no name for its content: no version, no sha256, no ETag.`,
    { hint: "Keep versions in that bucket, or fetch it in a task with a command." },
  );
}

/** Keys as paths below the folder. Those that end in / are what some programs write to show an empty folder. */
function pathsBelow(url: string, folder: string, keys: readonly string[]): string[] {
  const paths = sortUtf8(keys.filter((key) => !key.endsWith("/")).map((key) => key.slice(folder.length)));
  if (paths.length === 0) {
    throw new AlamodeError("no-source", `source("${url}"): there is no object below it.`);
  }
  const files = new Set(paths);
  for (const path of paths) {
    if (posix.isAbsolute(path) || posix.normalize(path) !== path || path.split("/")[0] === "..") {
      throw new AlamodeError(
        "source-clash",
        `source("${url}"): the key "${folder}${path}" cannot be a path.`,
        {
          hint: "Name the objects one by one, each as a source.",
        },
      );
    }
    for (let at = posix.dirname(path); at !== "."; at = posix.dirname(at)) {
      if (!files.has(at)) continue;
      throw new AlamodeError(
        "source-clash",
        `source("${url}"): "${at}" would be a file, and the folder of "${path}".`,
        { hint: "Name the objects one by one, each as a source." },
      );
    }
  }
  return paths;
}
