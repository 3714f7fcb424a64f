// The links below `inputs/`, by way of a file system in memory where there is one: `inputs/name` leads to a link there, and that to
// the tree. On ext4 a link of up to 59 bytes lies in its inode and is removed in 14 µs; a longer one, as the path of an output
// always is, has a block of its own, and its removal waits for the journal: 1.4 ms on an idle machine, for each input of each
// step. To a command both are links in a folder that lead to the same place.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { removeTree } from "../store/remove.ts";
import { inputsOf, linkTarget, namesIn, placeInputs } from "./slot.ts";

/** `f_type` of tmpfs, in <linux/magic.h>. */
const TMPFS = 0x01021994;
/** Longer links have a block of their own. */
const MOST_BYTES = 59;

export class InputLinks {
  /** Absolute; undefined where there is nothing of the kind, and links lead straight to trees. */
  readonly #folder: string | undefined;
  /** Slots that have their folder in it → where its links lead. */
  readonly #slots = new Map<string, Map<string, string>>();

  constructor(run: string) {
    this.#folder = foldersOf(run).find(isMade);
  }

  /** Makes `inputs` of a slot hold these links (name → absolute path) and nothing else. */
  async place(slot: string, links: ReadonlyMap<string, string>): Promise<void> {
    const short = links.size === 0 ? undefined : this.#folderOf(slot, links.size);
    if (short === undefined) return placeInputs(slot, links);
    const known = this.#slots.get(slot)!;
    const folder = inputsOf(slot);
    const names = namesIn(folder);
    const { own: there, others } = ownLinks(
      folder,
      names instanceof Promise ? await names : names,
      `${short}/`,
    );
    for (const name of others) await removeTree(join(folder, name));
    try {
      const free = [...there.keys()].filter((name) => !links.has(name));
      let fresh = 0;
      const taken = new Set(there.values());
      for (const [name, target] of links) {
        let place = there.get(name);
        if (place === undefined) {
          // Under another name it is the same link: a rename makes no inode, which takes ten times as long.
          const old = free.pop();
          if (old !== undefined) renameSync(`${folder}/${old}`, `${folder}/${name}`);
          place = old === undefined ? undefined : there.get(old)!;
        }
        if (place === undefined) {
          while (taken.has(`${short}/${fresh}`)) fresh++;
          place = `${short}/${fresh++}`;
          symlinkSync(place, `${folder}/${name}`);
        }
        setLink(place, target, known);
      }
      for (const name of free) unlinkSync(`${folder}/${name}`);
    } catch {
      this.#slots.delete(slot); // the memory is full, or somebody tidied up
      await placeInputs(slot, links);
    }
  }

  /** Lets the links of a slot lead straight to trees: for a folder that people look at later. */
  async straighten(slot: string): Promise<void> {
    const folder = inputsOf(slot);
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

  /** Where the links of a slot lead to; undefined where so many there would not be short. */
  #folderOf(slot: string, links: number): string | undefined {
    if (this.#folder === undefined) return undefined;
    const folder = `${this.#folder}/${basename(slot)}`;
    if (`${folder}/${links}`.length > MOST_BYTES) return undefined;
    if (this.#slots.has(slot)) return folder;
    try {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      this.#slots.set(slot, new Map());
      return folder;
    } catch {
      return undefined;
    }
  }
}

/**
 * Those of the names that are links which lead to `prefix` and a number, each to a place of its own: name → target; and the other names.
 * That they are read each time and not remembered is what tells what the step before did to them.
 */
function ownLinks(
  folder: string,
  names: readonly string[],
  prefix: string,
): { own: Map<string, string>; others: string[] } {
  const own = new Map<string, string>();
  const others: string[] = [];
  const targets = new Set<string>();
  for (const name of names) {
    const target = linkTarget(`${folder}/${name}`);
    if (target?.startsWith(prefix) && /^[0-9]+$/.test(target.slice(prefix.length)) && !targets.has(target)) {
      own.set(name, target);
      targets.add(target);
    } else others.push(name);
  }
  return { own, others };
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

/** Lets a link of ours lead there. `known`: where ours were made to lead; one that is to stay is looked at all the same. */
function setLink(place: string, target: string, known: Map<string, string>): void {
  const before = known.get(place);
  if (before === target && linkTarget(place) === target) return;
  if (before !== undefined) unlinkSync(place);
  symlinkSync(target, place);
  known.set(place, target);
}
