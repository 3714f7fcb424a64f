// Where trees live: one interface, a file per kind of store. Knows nothing of success: the record does.
import type { Bmap } from "../bencode/types.ts";
import type { OutputId } from "../plan/types.ts";

declare const brand: unique symbol;

/** sha256 (64 hex) of a tree's canonical bencoding; equal trees have equal digests. See docs/FORMAT.md. */
export type TreeDigest = string & { readonly [brand]: "tree" };

/**
 * Where a store keeps one tree of one output, relative to the store, e.g. `82/82695e58…` or `82/82695e58….<16 hex>`; what ends
 * in `.place` leads to a tree that stays elsewhere.
 */
export type Location = string & { readonly [brand]: "location" };

export type TreeEntry =
  | { readonly kind: "file"; readonly size: number; readonly sha256: string; readonly executable: boolean }
  | { readonly kind: "folder" }
  | { readonly kind: "link"; readonly target: string };

/** Relative path → entry, ordered by the paths' UTF-8 bytes. A lone file has the path "". The top folder has no entry. */
export type Tree = ReadonlyMap<string, TreeEntry>;

/** A tree that was walked and hashed. */
export interface HashedTree {
  readonly tree: Tree;
  readonly digest: TreeDigest;
  /** The canonical bencoding that `digest` is the sha256 of. */
  readonly encoded: Uint8Array;
  /** Sum of the files' sizes. */
  readonly sizeBytes: number;
  readonly files: number;
}

/** A finished, hashed, read-only tree that still lies in the scratch area. */
export interface SealedTree extends HashedTree {
  /** Absolute path of the file or folder. */
  readonly path: string;
  /** Size and times as noted at sealing (opaque; for `check`). */
  readonly stamps: Uint8Array;
  /** It stays where it is, and its location leads there. */
  readonly inPlace?: true;
  /** Path of the first file, link or name that holds `needle`, if one was given and found. */
  readonly needleIn?: string;
}

export interface SealOptions {
  /** Absolute real paths of the declared inputs: a link that resolves into one is replaced by its content. */
  readonly inputs?: readonly string[];
  /** Text to look for in names, link targets and contents (the random name of the scratch folder). */
  readonly needle?: string;
}

export interface CommitOptions {
  /** Locations of this output that a success of the record names: never touched. */
  readonly taken: readonly Location[];
  /** Rubbish at a free location may be moved aside (only under a lease of the embedded record). */
  readonly mayMoveAside: boolean;
}

/** What was found when a location was compared with what was noted at its commit. */
export type Check =
  | { readonly kind: "intact" }
  | { readonly kind: "missing" }
  | { readonly kind: "damaged"; readonly path: string; readonly how: string };

/** A record, as a store knows it. */
export interface Owner {
  readonly id: string;
  readonly url: string;
}

/** Every driver passes `storeContract` (test/store/contract.ts). */
export interface Store {
  /** Shown in messages, so never holds credentials. */
  readonly url: string;
  /** Names the store in records. Stays the same wherever the store is moved to. */
  readonly id: string;
  /**
   * The record whose successes lie here, by id and URL, and whose runs alone may move aside what no success of theirs names.
   * Undefined for a new store.
   */
  owner(): Promise<Owner | undefined>;
  setOwner(owner: Owner): Promise<void>;
  /** Absolute folder for steps in flight, on the file system that `commit` moves from. */
  readonly scratchDir: string;
  /** Absolute folder of the executions' logs. */
  readonly logDir: string;
  /** Which of these locations exist, in input order. One round trip for many. Looks only at the top. */
  present(locations: readonly Location[]): Promise<boolean[]>;
  /** Hashes the tree at `path` and makes it read-only. Throws `bad-output` with what and where. */
  seal(path: string, options: SealOptions, signal?: AbortSignal): Promise<SealedTree>;
  /**
   * Takes the tree at `path` as it is, without links and with no file executable, to be left there by `commit`: its location
   * leads to it. `digests` gives the sha256 (64 hex) of files, by their absolute paths. Throws `bad-output`.
   */
  sealInPlace(
    path: string,
    digests: (files: readonly string[]) => readonly string[],
    signal?: AbortSignal,
  ): Promise<SealedTree>;
  /**
   * Moves a sealed tree to its location, exclusively: all of it, or nothing, and never over another tree. A location that
   * is taken gives the one suffixed with the digest; one that already holds this very tree there is taken as it is.
   */
  commit(
    output: OutputId,
    sealed: SealedTree,
    options: CommitOptions,
  ): Promise<{ location: Location; stamps: Uint8Array }>;
  /**
   * Lets people find the tree at `location` under another output's name too. Only where nothing lies, and no success rests on
   * it: whether it could be made does not matter.
   */
  view(output: OutputId, location: Location): Promise<void>;
  /** An absolute path at which the tree can be read. Throws `output-missing`. */
  stage(location: Location): Promise<string>;
  /** Compares sizes and times with `stamps` (and so notices additions and removals); reads no content. */
  check(location: Location, tree: Tree, stamps: Uint8Array): Promise<Check>;
  /** Reads and hashes what lies at the location. Undefined where nothing lies. */
  rehash(location: Location, signal?: AbortSignal): Promise<HashedTree | undefined>;
  /** Moves what lies at a location aside within its folder and returns where to; undefined where nothing lay. */
  moveAside(location: Location): Promise<string | undefined>;
  /** Keeps content, or a copy of the file at a path, under its sha256. Throws `source-changed` if that is another by now. */
  keepSource(sha256: string, content: string | Uint8Array): Promise<void>;
  /** Absolute path of a kept source, or undefined. Its bytes are not checked here: whoever stages it does. */
  source(sha256: string): Promise<string | undefined>;
  /**
   * Keeps what was derived from a source, under a name that begins with the source's digest: `<64 hex>.mjs`. What is kept
   * under that name already stays: whoever uses it checks it by what it says itself.
   */
  keepDerived(name: string, content: Uint8Array): Promise<void>;
  /** Absolute path of what is kept under that name, or undefined. */
  derived(name: string): Promise<string | undefined>;
  /** Appends one note to `receipts/<run>`, with its number under `n`; framed as docs/FORMAT.md says. All of it, or none. */
  appendReceipt(run: string, note: Bmap): Promise<void>;
  /** Returns when everything written so far is on stable storage (a file-system sync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}
