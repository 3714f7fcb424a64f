// Puts outputs where people look for them: links into the store, or copies. Never over what is not an earlier publication: a link
// that leads into a store, or a copy that is still as it was put there.
import { hash, randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { rm, symlink } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import { writeWhole } from "../plan/save.ts";
import type { Plan } from "../plan/types.ts";
import type { RecordDb, Success } from "../record/types.ts";
import { copyOut, replace } from "../store/copy-out.ts";
import { hashTree } from "../store/hash.ts";
import type { Stores } from "../store/stores.ts";
import { systemError } from "../store/system-error.ts";
import { producedPath } from "./output-path.ts";
import type { Publication } from "./publications.ts";

/** A link that leads to what a store keeps under an output's ID, whichever store that was. */
const STORED = /\/outputs\/[0-9a-f]{2}\/[0-9a-f]{64}(\.[0-9a-f]{16})?(\/|$)/;

/** A name that a database may know a view by. */
const VIEW = /^[^./]{1,63}\.[^./]{1,63}$/;

/** What is remembered of a copy: digests of what may lie there, while it is replaced the old and the new one. */
interface CopyNote {
  readonly path: string;
  readonly digests: readonly string[];
}

export interface PublishContext {
  readonly record: RecordDb;
  readonly stores: Stores;
  /** Absolute folder that publications' paths are relative to. */
  readonly project: string;
}

/** `path` is absolute, or the URL of a view; `changed`: something else, or nothing, lay there before. */
export type Publishing =
  | { readonly kind: "published"; readonly path: string; readonly changed: boolean }
  | { readonly kind: "not-made" }
  | { readonly kind: "refused"; readonly path: string; readonly error: AlamodeError };

/** Folders in the project, relative to it, in which nothing may be published. */
export function keptFolders({ stores, project }: Omit<PublishContext, "record">): string[] {
  const folder = relative(project, stateFolder(stores));
  return folder === "" || folder.startsWith("..") || isAbsolute(folder) ? [] : [folder];
}

/**
 * Publishes what stands for a task's output; where that is there already, does nothing. `counts` says whether a success will do.
 * Throws errors of the record; what keeps it from being published is an answer.
 */
export async function publish(
  plan: Plan,
  task: string,
  publication: Publication,
  { record, stores, project }: PublishContext,
  counts: (success: Success) => boolean = () => true,
): Promise<Publishing> {
  const planTask = plan.tasks[task]!;
  const success = (await record.successes([planTask.output])).get(planTask.output);
  if (success === undefined || !counts(success)) return { kind: "not-made" };
  const path = join(project, publication.path);
  try {
    const store = await stores.of(success);
    if (!publication.copy && VIEW.test(publication.path)) {
      const changed = await store.publish(success.location, publication.path);
      if (changed !== undefined)
        return { kind: "published", path: `${store.url}#${publication.path}`, changed };
    }
    const to = placeFor(path);
    const linked = !publication.copy && isAbsolute(store.place(success.location));
    using staged = await stores.stage(success);
    const from = producedPath(staged.path, planTask);
    const notes = new CopyNotes(stateFolder(stores), to);
    const changed = linked ? await publishLink(from, to, notes) : await publishCopy(from, to, notes);
    return { kind: "published", path, changed };
  } catch (error) {
    const told = error instanceof AlamodeError ? error : systemError(error, `publishing ${task}`);
    if (!(told instanceof AlamodeError)) throw error;
    return { kind: "refused", path, error: told };
  }
}

/** The path with its folders made, and all links above it followed. Throws `publish-refused` if that is in a store. */
function placeFor(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST" && errnoOf(error) !== "ENOTDIR") throw error;
    throw refused(path, "a file lies where its folder should be");
  }
  const folder = realpathSync(dirname(path));
  if (STORED.test(folder)) throw refused(path, "it would lie within another task's output");
  return join(folder, basename(path));
}

async function publishLink(from: string, to: string, notes: CopyNotes): Promise<boolean> {
  const target = relative(dirname(to), from);
  if (await isOurs(to, notes, target)) return false;
  const partial = `${to}.${randomBytes(6).toString("hex")}.partial`;
  try {
    await symlink(target, partial);
    await replace(partial, to);
  } finally {
    await rm(partial, { force: true });
  }
  await notes.forget();
  return true;
}

async function publishCopy(from: string, to: string, notes: CopyNotes): Promise<boolean> {
  const { digest } = await hashTree(from);
  if (await isOurs(to, notes, undefined, digest)) return false;
  await notes.write([...notes.digests, digest]);
  await copyOut(from, to, true);
  await notes.write([digest]);
  return true;
}

/**
 * True if what is wanted lies there already: a link to `target`, or a copy that has `digest`. False if nothing lies there, or an
 * earlier publication, which may be replaced. Throws `publish-refused` for anything else.
 */
async function isOurs(to: string, notes: CopyNotes, target?: string, digest?: string): Promise<boolean> {
  const stats = lstatSync(to, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (stats.isSymbolicLink()) {
    const leadsTo = readlinkSync(to);
    if (leadsTo === target) return true;
    if (STORED.test(resolve(dirname(to), leadsTo))) return false;
    throw refused(to, `a link to ${leadsTo} lies there`);
  }
  if (notes.digests.length === 0) throw refused(to, "something that was not published lies there");
  const found = stats.isFile() || stats.isDirectory() ? (await hashTree(to)).digest : "";
  if (!notes.digests.includes(found)) throw refused(to, "what lies there was changed since it was published");
  return found === digest;
}

function refused(path: string, why: string): AlamodeError {
  return new AlamodeError("publish-refused", `${why}, and was left as it is`, {
    facts: { path },
    hint: "Move it away and say  alamode publish  or name another path.",
  });
}

/** What is remembered of the copy at one path, in the folder of the machine's own state. */
class CopyNotes {
  readonly #path: string;
  readonly #file: string;
  readonly digests: readonly string[];

  constructor(folder: string, path: string) {
    this.#path = path;
    this.#file = join(folder, "published", hash("sha256", path));
    this.digests = this.#read();
  }

  #read(): readonly string[] {
    try {
      const note = JSON.parse(readFileSync(this.#file, "utf8")) as CopyNote;
      return note.path === this.#path ? note.digests : [];
    } catch {
      return []; // none, or cut off: then what lies there is taken for somebody's own
    }
  }

  async write(digests: readonly string[]): Promise<void> {
    mkdirSync(dirname(this.#file), { recursive: true });
    const note: CopyNote = { path: this.#path, digests };
    await writeWhole(this.#file, [Buffer.from(`${JSON.stringify(note)}\n`)]);
  }

  async forget(): Promise<void> {
    if (this.digests.length > 0) await rm(this.#file, { force: true });
  }
}

/** Where this machine keeps what it needs to remember for the main store. */
function stateFolder(stores: Stores): string {
  return dirname(stores.main.scratchDir);
}
