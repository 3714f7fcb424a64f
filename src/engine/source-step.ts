// What a source task makes: no command runs. Data is copied from where it was when the pipeline was described, fetched, or left
// where it is; whatever comes is held against the digests of the spec, so that nothing else can get the output's ID.
import { chmodSync, constants, copyFileSync, mkdirSync, statSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import { openS3, type S3Object, s3Url } from "../plan/fetch-s3.ts";
import { fetchUrl, shownUrl } from "../plan/fetch-url.ts";
import { movedPlace, type Place } from "../plan/places.ts";
import { eachOf, parseS3Digest, s3ObjectOf } from "../plan/source-s3.ts";
import { cachedDigests, sourceFile } from "../plan/sources.ts";
import { Turn } from "../store/turn.ts";
import type { SealedTree, Store } from "../store/types.ts";
import type { StepContext, StepRequest } from "./step-types.ts";

interface SourceRequest {
  readonly task: string;
  /** Relative path → sha256 (64 hex), or what S3 calls the content; "" is a lone file. */
  readonly source: Readonly<Record<string, string>>;
  readonly place: Place | undefined;
  /** Where its output goes, and who has the sources. */
  readonly store: Store;
  readonly sources: Store;
  readonly top: string;
  readonly signal: AbortSignal;
}

/** A file of a source that is to be fetched. */
interface Wanted {
  readonly path: string;
  readonly planned: string;
  readonly object: S3Object;
  /** Absolute path. */
  readonly to: string;
}

/** A larger file is copied while other work goes on. */
const SMALL_BYTES = 1024 * 1024;

/**
 * Makes and seals a source task's output at `top`, where nothing lies yet, or leaves it where it is. Throws `source-changed` where the content is another by now, `source-unavailable` where
 * there is none, `fetch-failed`, the signal's reason, and what the store throws.
 */
export async function makeSource(
  { stores, stop, kill }: StepContext,
  { task, runnable, limits, place }: StepRequest,
  { store, top }: { readonly store: Store; readonly top: string },
): Promise<SealedTree> {
  const { timeoutMs } = limits;
  const timeout = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
  const signal = AbortSignal.any([stop, kill, ...timeout]);
  const source = runnable.source ?? {};
  const request = { task, source, place, store, sources: stores.main, top, signal };
  if (place !== undefined && "path" in place) {
    const sealed = await leaveInPlace(place.path, request);
    return asPlanned(sealed, request);
  }
  const turn = new Turn(signal);
  const folders = new Set<string>();
  const inS3: Wanted[] = [];
  for (const [path, planned] of Object.entries(source)) {
    if (turn.over()) await turn.next();
    const to = path === "" ? top : join(top, path);
    if (!folders.has(dirname(to))) mkdirSync(dirname(to), { recursive: true });
    folders.add(dirname(to));
    const isDigest = parseS3Digest(planned) === undefined;
    const from = isDigest ? ((await stores.main.source(planned)) ?? sourceFile(planned)) : undefined;
    const object = from === undefined ? s3ObjectOf(path, planned, place) : undefined;
    if (object !== undefined) {
      inS3.push({ path, planned, object, to });
      continue;
    }
    if (from !== undefined) await copy(from, to, path, request);
    else if (place !== undefined) await fetchUrl(place.url, { to, signal });
    else throw nowhere(path, planned, request);
    chmodSync(to, 0o644);
  }
  if (inS3.length > 0) await fetchFromS3(inS3, request);
  return asPlanned(await store.seal(top, {}, signal), request);
}

/** Fetches what was planned, by its version or under the condition that its ETag is what it was. */
async function fetchFromS3(all: readonly Wanted[], { task, place, signal }: SourceRequest): Promise<void> {
  const s3 = await openS3(place !== undefined && "url" in place ? place : {});
  try {
    await eachOf(all, async ({ path, planned, object, to }) => {
      signal.throwIfAborted();
      const named = parseS3Digest(planned);
      const name = named?.by === "version" ? { versionId: named.name } : named ? { etag: named.name } : {};
      const became = await s3.fetch({ object, ...name, to, signal });
      if (became === "fetched") return chmodSync(to, 0o644);
      const now = became === "gone" ? "none" : "another";
      throw changed(path, task, { planned, now, from: s3Url(object) });
    });
  } finally {
    s3.close();
  }
}

async function leaveInPlace(path: string, { task, store, signal }: SourceRequest): Promise<SealedTree> {
  const here = movedPlace(path);
  try {
    return await store.sealInPlace(here, cachedDigests, signal);
  } catch (error) {
    const errno = errnoOf(error instanceof AlamodeError ? error.cause : error);
    if (errno !== "ENOENT" && errno !== "ENOTDIR") throw error;
    throw new AlamodeError("source-unavailable", `source "${task}": there is nothing at ${here}`, {
      hint: `Where it lies elsewhere on this machine, say so:  ALAMODE_PLACES=${path}=/elsewhere`,
      cause: error,
    });
  }
}

async function copy(from: string, to: string, path: string, { task }: SourceRequest): Promise<void> {
  const mode = constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL;
  try {
    if (statSync(from).size <= SMALL_BYTES) copyFileSync(from, to, mode);
    else await copyFile(from, to, mode);
  } catch (error) {
    const errno = errnoOf(error);
    if (!["ENOENT", "ENOTDIR", "EISDIR", "EACCES"].includes(errno ?? "")) throw error;
    const why = errno === "EACCES" ? "may not be read" : "is no longer there";
    throw new AlamodeError("source-unavailable", `${named(path, task)}: ${from} ${why}`, {
      hint: "It is not in the store yet. Put it back, or describe the pipeline again.",
      cause: error,
    });
  }
}

/** Compares what came with what was planned: all of it, and nothing else. */
function asPlanned(sealed: SealedTree, { task, source, place }: SourceRequest): SealedTree {
  for (const [path, planned] of Object.entries(source)) {
    const entry = sealed.tree.get(path);
    if (entry?.kind === "file" && (entry.sha256 === planned || parseS3Digest(planned) !== undefined))
      continue;
    const now = entry?.kind === "file" ? entry.sha256 : "none";
    throw changed(path, task, { planned, now, ...origin(path, sealed, place, planned) });
  }
  for (const [path, entry] of sealed.tree) {
    if (entry.kind !== "file" || path in source) continue;
    throw changed(path, task, { planned: "none", now: entry.sha256, ...origin(path, sealed, place, "") });
  }
  return sealed;
}

function changed(
  path: string,
  task: string,
  facts: { planned: string; now: string; from?: string },
): AlamodeError {
  const how = facts.now === "none" ? "is gone" : facts.planned === "none" ? "was added" : "has other content";
  const from = facts.from === undefined ? "" : ` (${facts.from})`;
  return new AlamodeError(
    "source-changed",
    `${named(path, task)}${from} ${how} since the pipeline was described`,
    {
      facts,
      hint: "Nothing was recorded. Run again: the pipeline is described anew then, with what is there now.",
    },
  );
}

function origin(
  path: string,
  sealed: SealedTree,
  place: Place | undefined,
  planned: string,
): { from?: string } {
  if (sealed.inPlace) return { from: path === "" ? sealed.path : join(sealed.path, path) };
  const url = place !== undefined && "url" in place ? shownUrl(place.url) : undefined;
  const from = sourceFile(planned) ?? (url?.endsWith("/") ? url + path : url);
  return from === undefined ? {} : { from };
}

function nowhere(path: string, sha256: string, { task }: SourceRequest): AlamodeError {
  return new AlamodeError(
    "source-unavailable",
    `${named(path, task)} (sha256 ${sha256.slice(0, 8)}) is not among the store's sources`,
    { hint: "Plan it again where the data is: alamode plan, or alamode run, with the same --store." },
  );
}

function named(path: string, task: string): string {
  return path === "" ? `source "${task}"` : `"${path}" of source "${task}"`;
}
