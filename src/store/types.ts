// Where trees live: one interface, a file per kind of store. Knows nothing of success: the record does.
import type { Bmap } from "../bencode/types.ts";
import type { OutputId } from "../plan/types.ts";
import type { Needles } from "./needles.ts";

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
  /** Index of a needle that was found → path of the first file, link or name that holds it. Absent where none was. */
  readonly needlesIn?: ReadonlyMap<number, string>;
}

export interface SealOptions {
  /** Absolute real paths of the declared inputs: a link that resolves into one is replaced by its content. */
  readonly inputs?: readonly string[];
  /** What to look for in names, link targets and contents: the random name of the scratch folder, secrets. */
  readonly needles?: Needles;
}

export interface CommitOptions {
  /** Locations of this output that a success of the record names: never touched. */
  readonly taken: readonly Location[];
  /**
   * Rubbish at the usual location may be moved aside (only under a lease of the embedded record). What lies at the one that has this
   * tree's digest in its name, and is another tree, is so in any case: it was damaged.
   */
  readonly mayMoveAside: boolean;
  /** The tree at the sealed path is another's, and stays there as it is. Else it may be gone after the commit. */
  readonly leave?: true;
}

/** What is known of a tree since its commit, for `check`. */
export interface Noted {
  readonly digest: TreeDigest;
  readonly tree: Tree;
  readonly stamps: Uint8Array;
}

/** What was found when a location, or the copy of it that is read, was compared with what was noted at its commit. */
export type Check =
  | { readonly kind: "intact" }
  | { readonly kind: "missing" }
  /** `copy`: only what was fetched to this machine is damaged, and is fetched anew when it is staged again. */
  | { readonly kind: "damaged"; readonly path: string; readonly how: string; readonly copy?: true };

/** A tree that can be read on this machine, until it is let go of. */
export interface StagedTree extends Disposable {
  /** Absolute path of the file or folder; nothing in it may be changed. */
  readonly path: string;
}

/** A success that a step reads, wherever it lies. */
export interface MakingInput {
  readonly store: Store;
  readonly location: Location;
  readonly digest: TreeDigest;
  /** Makes it readable here, as files. Throws as `Store.stage` does. */
  stage(signal?: AbortSignal): StagedTree | Promise<StagedTree>;
}

export interface MakingRequest {
  /** The execution's name, or another that no step has at the same time. */
  readonly name: string;
  readonly output: OutputId;
  /** Where the output is to be made, if it is made of files: an absolute path in the scratch area. */
  readonly top: string;
  /** By dependency name. */
  readonly inputs: Readonly<Record<string, MakingInput>>;
}

/** A step's surroundings, as the store of its output wants them. To be disposed of however the step ends. */
export interface Making extends AsyncDisposable {
  /** What $OUTPUT says, where the output is not made at a path but under a name. */
  readonly output?: string;
  /** Variables by which the command gets at it. They may hold secrets: given to the command, and never shown or recorded. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of those of `env` that are masked in what the command prints, and refused in what it makes. */
  readonly secrets: readonly string[];
  /** Dependency name → absolute path that `inputs/<name>` is to lead to. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Absolute paths besides that the command must be able to read and connect to from within a sandbox. */
  readonly reads: readonly string[];
  /**
   * To be asked when the command failed. Throws `making-lost` where what it worked in was out of reach for a while: neither what it made
   * nor how it ended tells anything of it then. `seal` and `commit` throw it too.
   */
  checkHeld(): Promise<void>;
  /**
   * Compares by content what the command reads where it lies, before it starts and after it has ended. Dependency name → what is wrong
   * with it. Empty where it reads files, which `Store.check` and `stage` compare.
   */
  compareInputs(
    moment: "before" | "after",
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, Exclude<Check, { readonly kind: "intact" }>>>;
  /** Closes what was made to further changes, and hashes it. Throws `bad-output` with what and where. */
  seal(options: SealOptions, signal?: AbortSignal): Promise<SealedTree>;
}

/** A record, as a store knows it. */
export interface Owner {
  readonly id: string;
  readonly url: string;
}

/**
 * Every driver passes `storeContract` (test/store/contract.ts). What goes over a network is repeated within bounds; what fails
 * after that throws `store-unreachable`, which is transient. Why it is shaped so: docs/decisions/022-stores.md
 */
export interface Store {
  /** Shown in messages, so never holds credentials. */
  readonly url: string;
  /** Names the store in records. Stays the same wherever the store is moved to. */
  readonly id: string;
  /**
   * Whether what is committed outlasts a loss of power here at once. Where not, it is settled by `sync`, and hashed again before
   * it is used if that never came.
   */
  readonly durable: boolean;
  /** Whether its outputs may be tables, which statements make where they lie. */
  readonly performsSql: boolean;
  /**
   * The record whose successes lie here, by id and URL, and whose runs alone may move aside what no success of theirs names.
   * Undefined for a new store.
   */
  owner(): Promise<Owner | undefined>;
  setOwner(owner: Owner): Promise<void>;
  /** Absolute folder on this machine for steps in flight. */
  readonly scratchDir: string;
  /** Absolute folder on this machine of the executions' logs. */
  readonly logDir: string;
  /** Which of these locations exist, in input order. Few round trips for many. Looks only at the top. */
  present(locations: readonly Location[]): Promise<boolean[]>;
  /** Gets ready for a step whose output goes to this store. Throws as the inputs' `stage` does. */
  prepare(request: MakingRequest, signal?: AbortSignal): Promise<Making>;
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
   * Takes a sealed tree in, from wherever it lies, exclusively: all of it at its location, or nothing, and never over another
   * tree. A location that is taken gives the one suffixed with the digest; one that already holds this very tree there is taken as
   * it is.
   */
  commit(
    output: OutputId,
    sealed: SealedTree,
    options: CommitOptions,
    signal?: AbortSignal,
  ): Promise<{ location: Location; stamps: Uint8Array }>;
  /**
   * Lets people find the tree at `location` under another output's name too. Only where nothing lies, and no success rests on
   * it: whether it could be made does not matter.
   */
  view(output: OutputId, location: Location): Promise<void>;
  /**
   * Lets people read the tree at `location` under a name of the store's own, `<schema>.<view>`, never over what is not an earlier
   * publication. Returns whether that led elsewhere, or nowhere, before; undefined for a tree that is files, which is published as such.
   * Throws `publish-refused`.
   */
  publish(location: Location, name: string): Promise<boolean | undefined>;
  /**
   * Makes the tree at a location readable on this machine, as files. What has to be fetched for that is held against `digest`.
   * Throws `output-missing`, `output-damaged`. What is at hand is told at once: a step asks for each of its inputs.
   */
  stage(location: Location, digest: TreeDigest, signal?: AbortSignal): StagedTree | Promise<StagedTree>;
  /** Absolute path at which the tree can be read on this machine right now; undefined where it is gone, or would have to be fetched. */
  here(location: Location, digest: TreeDigest): Promise<string | undefined>;
  /** Where people find it, whether it is there or not: an absolute path, or a URL without credentials. */
  place(location: Location): string;
  /**
   * Compares what is read with what was noted, by sizes and times (and so notices additions and removals); content is read only where
   * these change without it. Of a tree that is fetched to be read, the copy is compared while it is staged, else only whether it exists.
   * Of a lone file that lies here it is told at once.
   */
  check(location: Location, noted: Noted): Check | Promise<Check>;
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
  /** Lets others who use the store read the log of that name in `logDir`, which is finished. */
  keepLog(name: string): Promise<void>;
  /** Absolute path of the log of that name, wherever it was written; undefined where there is none. */
  log(name: string): Promise<string | undefined>;
  /** Adds one note to the run's receipts, with its number under `n`; framed as docs/FORMAT.md says. All of it, or none. */
  appendReceipt(run: string, note: Bmap): Promise<void>;
  /** Returns when everything written so far is on stable storage (a file-system sync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}
