// Pins what lies at a URL while a pipeline is described: its content is kept in the store's sources, and its digest is what
// the spec says. A server that names its versions is asked whether there is a new one; else it is fetched each time.
import { hash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { type Fetched, fetchUrl } from "./fetch-url.ts";
import { defaultStoreDir } from "./keep-sources.ts";
import { rememberSource } from "./sources.ts";

/** sha256 (hex) of what is there now. Throws `fetch-failed`. */
export async function pinUrl(url: string): Promise<string> {
  const sources = join(defaultStoreDir(), "sources");
  const placeOf = (name: string) => join(sources, name.slice(0, 2), name);
  const pin = `${placeOf(hash("sha256", url))}.pin`;
  const before = pinned(pin);
  const isKept = before !== undefined && existsSync(placeOf(before.sha256));
  const partial = `${pin}.${randomBytes(6).toString("hex")}.partial`;
  await mkdir(dirname(pin), { recursive: true });
  try {
    const fetched = await fetchUrl(url, { to: partial, etag: isKept ? before.etag : undefined });
    const { sha256 } = fetched ?? before!;
    if (fetched !== undefined) {
      await keep(partial, placeOf(sha256));
      await writeFile(partial, JSON.stringify({ url, ...fetched }), { flag: "wx" });
      await rename(partial, pin);
    }
    rememberSource(sha256, placeOf(sha256));
    return sha256;
  } catch (error) {
    if (!(error instanceof AlamodeError) || before === undefined) throw error;
    const hint = `To go on with what was there before:  source({ url: '…', sha256: '${before.sha256}' })`;
    throw new AlamodeError(error.code, error.message, { hint, transient: error.transient, cause: error });
  } finally {
    await rm(partial, { force: true });
  }
}

async function keep(file: string, place: string): Promise<void> {
  await chmod(file, 0o444);
  await mkdir(dirname(place), { recursive: true });
  await rename(file, place);
}

/** What was there when it was asked for last; undefined where that is not known. */
function pinned(file: string): Fetched | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const { sha256, etag } = JSON.parse(readFileSync(file, "utf8")) as Partial<Fetched>;
    return typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256) ? { sha256, etag } : undefined;
  } catch {
    return undefined; // torn by a loss of power: it is fetched again
  }
}
