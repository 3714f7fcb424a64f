// The stores of one project: outputs lie in several, and each success says in which. One of them, the main one, also has the
// logs and sources of all, and its scratch area is where steps work.
import { AlamodeError } from "../errors.ts";
import type { Check, HashedTree, Location, Noted, StagedTree, Store, TreeDigest } from "./types.ts";

/** Where a success lies. */
export interface Placed {
  /** Id of the store. */
  readonly store: string;
  readonly location: Location;
  readonly treeDigest: TreeDigest;
}

/** How the other stores of a project are come by. */
export interface OtherStores {
  /** Names under which the project has others; all are looked through for a store that a success names. */
  readonly names: readonly string[];
  /** Opens the one of that name, or at that URL. Throws `unknown-store`, and why it cannot be opened. */
  open(nameOrUrl: string): Promise<Store>;
}

const NO_OTHERS: OtherStores = {
  names: [],
  async open(name) {
    throw new AlamodeError("unknown-store", `there is no store "${name}" here`, {
      hint: "Name it in alamode.config.ts:  stores: { name: 's3://bucket/prefix' }",
    });
  },
};

export class Stores {
  readonly main: Store;
  readonly #others: OtherStores;
  /** Name or URL → store. Whoever asks while it is opened waits for the same. */
  readonly #opened = new Map<string, Promise<Store>>();
  readonly #byId = new Map<string, Store>();
  /** By id: what those are called that have a name here. */
  readonly #names = new Map<string, string>();

  constructor(main: Store, others: OtherStores = NO_OTHERS) {
    this.main = main;
    this.#others = others;
    this.#byId.set(main.id, main);
  }

  /** The store that a task's option names; the main one where it names none. Throws `unknown-store`, and why it cannot be opened. */
  named(nameOrUrl: string | undefined): Store | Promise<Store> {
    if (nameOrUrl === undefined) return this.main;
    const opening = this.#opened.get(nameOrUrl) ?? this.#open(nameOrUrl);
    this.#opened.set(nameOrUrl, opening);
    return opening;
  }

  async #open(nameOrUrl: string): Promise<Store> {
    const store = await this.#others.open(nameOrUrl);
    if (this.#others.names.includes(nameOrUrl)) this.#names.set(store.id, nameOrUrl);
    const known = this.#byId.get(store.id);
    if (known !== undefined) {
      await store.close(); // another name for one that is open
      return known;
    }
    this.#byId.set(store.id, store);
    return store;
  }

  /** The store with that id; undefined where the project knows none. */
  async find(id: string): Promise<Store | undefined> {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    for (const name of this.#others.names) {
      if (this.#opened.has(name)) await this.#opened.get(name);
      else await this.named(name);
      if (this.#byId.has(id)) return this.#byId.get(id);
    }
    return undefined;
  }

  /** What people call the store of that id: its name here, else its URL; undefined where the project knows none such. */
  async called(id: string): Promise<string | undefined> {
    const store = await this.find(id);
    return store && (this.#names.get(id) ?? store.url);
  }

  /** The store that a success lies in. One that nobody knows may be a copy of the main one, which is looked at in its stead. */
  of({ store }: Pick<Placed, "store">): Promise<Store> | Store {
    return this.#byId.get(store) ?? this.find(store).then((found) => found ?? this.main);
  }

  /** `of`, and then: no promise stands between where the store is open, and steps ask for nearly nothing else. */
  #in<T>(store: string, ask: (store: Store) => T | Promise<T>): T | Promise<T> {
    const known = this.of({ store });
    return known instanceof Promise ? known.then(ask) : ask(known);
  }

  /** Which of these exist, in input order; few round trips for each store. */
  async present(all: readonly Pick<Placed, "store" | "location">[]): Promise<boolean[]> {
    const parts = new Map<Store, number[]>();
    for (const [i, placed] of all.entries()) {
      const store = this.#byId.get(placed.store) ?? (await this.of(placed));
      const part = parts.get(store) ?? [];
      part.push(i);
      parts.set(store, part);
    }
    const present = all.map(() => false);
    for (const [store, part] of parts) {
      const answers = await store.present(part.map((i) => all[i]!.location));
      for (const [n, i] of part.entries()) present[i] = answers[n]!;
    }
    return present;
  }

  /** As `Store.stage`. */
  stage({ store, location, treeDigest }: Placed, signal?: AbortSignal): StagedTree | Promise<StagedTree> {
    return this.#in(store, (its) => its.stage(location, treeDigest, signal));
  }

  /** As `Store.here`. */
  async here({ store, location, treeDigest }: Placed): Promise<string | undefined> {
    return this.#in(store, (its) => its.here(location, treeDigest));
  }

  /** As `Store.check`. */
  check({ store, location }: Placed, noted: Noted): Check | Promise<Check> {
    return this.#in(store, (its) => its.check(location, noted));
  }

  /** As `Store.rehash`. */
  async rehash({ store, location }: Placed, signal?: AbortSignal): Promise<HashedTree | undefined> {
    return this.#in(store, (its) => its.rehash(location, signal));
  }

  /** Under which the project has others. */
  get names(): readonly string[] {
    return this.#others.names;
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#opened.values());
    for (const store of this.#byId.values()) await store.close();
  }
}

/** One store alone, as all that there are. */
export function storesOf(store: Store | Stores): Stores {
  return store instanceof Stores ? store : new Stores(store);
}
