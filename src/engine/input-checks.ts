// Promise 10: staged inputs are compared with what was noted at their commit, before and after each execution.

import type { Failure, RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import { decodeTree } from "../store/tree.ts";
import type { Check, Making, Noted, Tree } from "../store/types.ts";
import { markHere } from "./elsewhere.ts";

/** How many tree entries are kept in memory for inputs that many steps share. */
const KEPT_ENTRIES = 200_000;
/** What a tree takes besides, as so many entries: a hundred thousand trees of one file each are not small. */
const TREE_ENTRIES = 20;

export class InputChecks {
  #record: RecordDb;
  #stores: Stores;
  #known = new Map<number, Noted>();
  #entries = 0;
  /** Successes whose stamps do not fit though their bytes do: a copied store. */
  #unstamped = new Set<number>();

  constructor(record: RecordDb, stores: Stores) {
    this.#record = record;
    this.#stores = stores;
  }

  /** Saves the look-up of a success that this run made itself. */
  know(success: Success, tree: Tree, stamps: Uint8Array): void {
    this.#known.set(success.id, { digest: success.treeDigest, tree, stamps });
    this.#entries += tree.size + TREE_ENTRIES;
    for (const [id, old] of this.#known) {
      if (this.#entries <= KEPT_ENTRIES || id === success.id) break;
      this.#known.delete(id);
      this.#entries -= old.tree.size + TREE_ENTRIES;
    }
  }

  /**
   * What is wrong with the input's bytes before a step starts, in words; undefined when nothing is. Other times alone
   * (a copied store) are no damage if the bytes hash to the same digest. Marks the success.
   */
  async before(success: Success): Promise<string | undefined> {
    const check = await this.#check(success);
    if (check.kind === "intact") return undefined;
    if (check.kind === "damaged" && (await this.#hasItsBytes(success))) {
      this.#unstamped.add(success.id);
      return undefined;
    }
    return this.#mark(success, check);
  }

  /** Whether something may lie at that path in the input's tree. */
  mayHold(success: Success, path: string): boolean {
    return this.#known.get(success.id)?.tree.has(path) ?? true;
  }

  /** What the step did to the input, in words; undefined when nothing. Marks the success. */
  async after(success: Success): Promise<string | undefined> {
    const check = await this.#check(success);
    if (check.kind === "intact") return undefined;
    if (check.kind === "damaged" && check.copy) return told(check); // what lies in the store is as it was
    if (this.#unstamped.has(success.id) && (await this.#hasItsBytes(success))) return undefined;
    return this.#mark(success, check);
  }

  /** The same of all inputs that a command reads where they lie, by content. Dependency name → what is wrong, in words. Marks successes. */
  async compared(
    making: Making,
    inputs: Readonly<Record<string, Success>>,
    moment: "before" | "after",
    signal: AbortSignal,
  ): Promise<Map<string, string>> {
    const wrong = new Map<string, string>();
    for (const [name, check] of await making.compareInputs(moment, signal)) {
      const isCopy = check.kind === "damaged" && check.copy;
      wrong.set(name, isCopy ? told(check) : await this.#mark(inputs[name]!, check));
    }
    return wrong;
  }

  async #hasItsBytes(success: Success): Promise<boolean> {
    return (await this.#stores.rehash(success))?.digest === success.treeDigest;
  }

  async #check(success: Success): Promise<Check> {
    let known = this.#known.get(success.id);
    if (known === undefined) {
      const [tree, stamps] = await Promise.all([
        this.#record.tree(success.treeDigest),
        this.#record.stamps(success.id),
      ]);
      known = { digest: success.treeDigest, tree: decodeTree(tree), stamps };
      this.know(success, known.tree, stamps);
    }
    return this.#stores.check(success, known);
  }

  async #mark(success: Success, check: Check & { kind: "missing" | "damaged" }): Promise<string> {
    const both = { record: this.#record, stores: this.#stores };
    await markHere(success, check.kind === "missing" ? "lost" : "damaged", both);
    return told(check);
  }
}

/** Of an input that the command had no right to change. */
export function changedWhileRead(name: string, how: string): Failure {
  return {
    kind: "input-damaged",
    message: `its input "${name}" ${how} while it ran`,
    hint: "What it made may rest on either: nothing of it is kept. The input is made again when it is needed.",
  };
}

function told(check: Check & { kind: "missing" | "damaged" }): string {
  if (check.kind === "missing") return "is no longer there";
  return check.path === "" ? check.how : `${check.path} ${check.how}`;
}
