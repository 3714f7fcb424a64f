// The links below `inputs/`, by way of a file system in memory where there is one: `inputs/name` leads to a link there, and that to
// the tree. On ext4 a link of up to 59 bytes lies in its inode and is removed in 14 µs; a longer one, as the path of an output
// always is, has a block of its own, and its removal waits for the journal: 1.4 ms on an idle machine, for each input of each
// step. To a command both are links in a folder that lead to the same place.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { placeInputs } from "./slot.ts";

/** `f_type` of tmpfs, in <linux/magic.h>. */
const TMPFS = 0x01021994;
/** Longer links have a block of their own. */
const MOST_BYTES = 59;

export class InputLinks {
  /** Absolute; undefined where there is nothing of the kind, and links lead straight to trees. */
  readonly #folder: string | undefined;

  constructor(run: string) {
    this.#folder = foldersOf(run).find(isMade);
  }

  /** Makes `inputs` of a slot hold these links (name → absolute path) and nothing else. */
  async place(slot: string, links: ReadonlyMap<string, string>): Promise<void> {
    await placeInputs(slot, this.#short(slot, links));
  }

  /** Lets the links of a slot lead straight to trees: for a folder that people look at later. */
  async straighten(slot: string): Promise<void> {
    const folder = join(slot, "work", "inputs");
    const links = new Map<string, string>();
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isSymbolicLink()) return; // the step made something of its own of it
      const target = readlinkSync(join(folder, entry.name));
      const ours = this.#folder !== undefined && target.startsWith(`${this.#folder}/`);
      links.set(entry.name, ours ? readlinkSync(target) : target);
    }
    await placeInputs(slot, links);
  }

  close(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  #short(slot: string, links: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    if (this.#folder === undefined || links.size === 0) return links;
    const folder = join(this.#folder, basename(slot));
    const short = new Map<string, string>();
    try {
      mkdirSync(folder, { recursive: true });
      for (const [name, target] of links) {
        const place = `${folder}/${short.size}`;
        if (place.length > MOST_BYTES) return links;
        setLink(place, target);
        short.set(name, place);
      }
      return short;
    } catch {
      return links; // the memory is full, or somebody tidied up
    }
  }
}

/** Removes what a dead run left of its links. */
export function forgetInputLinks(run: string): void {
  for (const folder of foldersOf(run)) rmSync(folder, { recursive: true, force: true });
}

function foldersOf(run: string): string[] {
  // Where systemd looks after log-ins it empties /dev/shm of whoever logs out, whatever they have running; not of system users.
  const kept = (process.getuid?.() ?? 1000) < 1000 || !existsSync("/run/systemd/system");
  return [...(kept ? ["/dev/shm"] : []), tmpdir()].filter(isTmpfs).map((dir) => join(dir, `alamode-${run}`));
}

function isTmpfs(dir: string): boolean {
  try {
    return statfsSync(dir).type === TMPFS;
  } catch {
    return false;
  }
}

/** For nobody else to write to, and not there yet. */
function isMade(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch {
    return false;
  }
}

function setLink(place: string, target: string): void {
  if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) {
    if (readlinkSync(place) === target) return;
    unlinkSync(place);
  }
  symlinkSync(target, place);
}
