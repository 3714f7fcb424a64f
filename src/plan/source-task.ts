// Data from outside as tasks: the spec names it by its content, so that a changed byte changes the ID, and another time, place
// or server does not. Why it is as it is: docs/decisions/009-sources.md.
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { sortUtf8 } from "../bencode/order.ts";
import { AlamodeError } from "../errors.ts";
import { checkUrl } from "./fetch-url.ts";
import { movedPlace, rememberPlace } from "./places.ts";
import type { S3Options } from "./s3-client.ts";
import { filesBelow, sourceFiles } from "./source-files.ts";
import { isS3Url, pinS3 } from "./source-s3.ts";
import { pinUrl } from "./source-url.ts";
import { cachedDigests, digestMap, isFile, optionsAmong, relativePath, sourceBase } from "./sources.ts";

const OPTIONS = ["from", "inPlace", "url", "sha256", "endpoint", "region"] as const;

/** The part of a spec that says which data a task is. */
export type SourceSpec = {
  /** Relative path → sha256 (64 hex) of the content, or what S3 calls it. A lone file has the path "". */
  readonly source: { readonly [path: string]: string };
};

export interface SourceOptions {
  /** Where paths start, e.g. `import.meta.dirname`; by default the pipeline's folder. */
  readonly from?: string;
  /** Never copied: read where it lies, which has to be one file or folder that nobody changes. */
  readonly inPlace?: boolean;
}

export interface UrlSource {
  /** http or https. */
  readonly url: string;
  /** Of its content, 64 hex. With it, it is fetched when it is needed; without, now, and what comes is what is meant. */
  readonly sha256?: string;
}

/**
 * The spec of a task that is data, known by its content:
 *
 *     dag.task('raw', source('data/*.csv'))                            // inputs/raw/2020.csv, …
 *     dag.task('stations', source('data/stations.json'))               // inputs/stations is that file
 *     dag.task('iris', source({ url: 'https://…', sha256: '…' }))      // fetched when it is needed
 *     dag.task('latest', await source({ url: 'https://…' }))           // fetched now
 *     dag.task('hg38', source('/shared/ref/hg38', { inPlace: true }))  // never copied
 *     dag.task('orders', await source('s3://bucket/orders.csv'))       // by version, sha256 or ETag; fetched when it is needed
 *     dag.task('days', await source('s3://bucket/days/'))              // all objects below
 *
 * Paths start in the folder that a pattern names before its first wildcard. Names, modes and links are not kept: every file is
 * one that is not executable, with the content that is found there.
 * Throws `no-source`, `source-clash`, `source-link`, `source-unreadable`, `source-changed`, `bad-url`, `fetch-failed`.
 */
export function source(url: UrlSource & { readonly sha256: string }): SourceSpec;
export function source(url: UrlSource): Promise<SourceSpec>;
export function source(url: `s3://${string}`, options?: S3Options): Promise<SourceSpec>;
export function source(...patterns: (string | SourceOptions)[]): SourceSpec;
export function source(
  ...given: (string | SourceOptions | UrlSource | S3Options | undefined)[]
): SourceSpec | Promise<SourceSpec> {
  const patterns = given.filter((item) => typeof item === "string");
  const options: Partial<SourceOptions & UrlSource & S3Options> = optionsAmong("source", given, OPTIONS);
  if (options.url !== undefined) return fromUrl({ ...options, url: options.url });
  if (patterns.some(isS3Url)) return fromS3(patterns, options);
  for (const pattern of patterns) refuseUrl(pattern);
  const base = resolve(sourceBase(), options.from ?? ".");
  if (options.inPlace) return inPlace(patterns, base);
  return { source: digestMap(sourceFiles(patterns, base)) };
}

function refuseUrl(pattern: string): void {
  if (!/^https?:\/\//.test(pattern)) return;
  throw new AlamodeError("bad-url", `source("${pattern}"): a URL is given by name.`, {
    hint: `Write  await source({ url: "${pattern}" }),  or add its sha256.`,
  });
}

async function fromS3(
  [url = "", ...more]: readonly string[],
  { inPlace, endpoint, region }: SourceOptions & S3Options,
): Promise<SourceSpec> {
  if (more.length > 0 || inPlace) {
    throw new AlamodeError(
      "bad-url",
      `source("${url}", …): what is in S3 is a source by itself, and not in place.`,
      {
        hint: "Write  await source('s3://bucket/folder/')  for all below it, and more tasks for more.",
      },
    );
  }
  const said = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  };
  const source = await pinS3(url, said);
  rememberPlace(source, { url, ...said });
  return { source };
}

function fromUrl({ url, sha256 }: UrlSource): SourceSpec | Promise<SourceSpec> {
  checkUrl(url);
  if (sha256 === undefined) return pinUrl(url).then((pinned) => ofUrl(url, pinned));
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new AlamodeError(
      "bad-url",
      `source({ url: "${url}" }): its sha256 must be 64 lowercase hex digits.`,
    );
  }
  return ofUrl(url, sha256);
}

function ofUrl(url: string, sha256: string): SourceSpec {
  const source = { "": sha256 };
  rememberPlace(source, { url });
  return { source };
}

function inPlace(patterns: readonly string[], base: string): SourceSpec {
  const [pattern] = patterns;
  const called = `source("${pattern}", { inPlace: true })`;
  if (pattern === undefined || patterns.length > 1) {
    throw new AlamodeError("no-source", "source(…, { inPlace: true }): one file or folder is needed.");
  }
  const path = resolve(base, pattern);
  const place = movedPlace(path);
  if (!existsSync(place)) {
    throw new AlamodeError("no-source", `${called}: there is nothing at ${place}.`, {
      hint: `Where it lies elsewhere on this machine, say so:  ALAMODE_PLACES=${path}=/elsewhere`,
    });
  }
  const files = statSync(place).isDirectory()
    ? filesBelow(place, called, { links: false }).map((file): [string, string] => [
        relativePath(place, file),
        file,
      ])
    : isFile(called, place)
      ? [["", place] as const]
      : [];
  const places = new Map(files);
  const paths = sortUtf8([...places.keys()]);
  const digests = cachedDigests(paths.map((name) => places.get(name)!));
  const source: { [path: string]: string } = Object.create(null);
  for (const [i, name] of paths.entries()) source[name] = digests[i]!;
  rememberPlace(source, { path });
  return { source };
}
