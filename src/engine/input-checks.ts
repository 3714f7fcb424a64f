// Promise 10: staged inputs are compared with what was noted at their commit, before and after each execution.

import type { OutputId } from "../plan/types.ts";
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
  #marks = 0;

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
   * (a copied store) are no damage if the bytes hash to the same digest. Marks the success. Told at once where it takes no more
   * than a look: three inputs cost a step fifteen promises.
   */
  before(success: Success): string | undefined | Promise<string | undefined> {
    const checked = this.#check(success);
    return isIntact(checked) ? undefined : this.#judgedBefore(success, checked);
  }

  async #judgedBefore(success: Success, checked: Check | Promise<Check>): Promise<string | undefined> {
    const check = await checked;
    if (check.kind === "intact") return undefined;
    if (check.kind === "damaged" && (await this.#hasItsBytes(success))) {
      this.#unstamped.add(success.id);
      return undefined;
    }
    return this.#mark(success, check);
  }

  /** The same of all inputs of a step: dependency name → what is wrong. One that has two names is looked at once. */
  async wrongBefore(inputs: Readonly<Record<string, Success>>): Promise<Map<string, string>> {
    const wrong = new Map<string, string>();
    const looked = new Set<OutputId>();
    for (const name of Object.keys(inputs)) {
      const success = inputs[name]!;
      if (looked.has(success.output)) continue;
      looked.add(success.output);
      const found = this.before(success);
      const how = found instanceof Promise ? await found : found;
      if (how !== undefined) wrong.set(name, how);
    }
    return wrong;
  }

  /** How many inputs were found to be gone or changed, and marked. */
  get marks(): number {
    return this.#marks;
  }

  /** Whether something may lie at that path in the input's tree. */
  mayHold(success: Success, path: string): boolean {
    return this.#known.get(success.id)?.tree.has(path) ?? true;
  }

  /** The failure of a command that has ended, whatever else it did, if it changed an input. Marks what was changed. */
  async changed(
    making: Making,
    inputs: Readonly<Record<string, Success>>,
    signal: AbortSignal,
  ): Promise<Failure | undefined> {
    const [other] = await this.compared(making, inputs, "after", signal);
    if (other !== undefined) {
      const [name, how] = other;
      return {
        kind: "input-damaged",
        message: `its input "${name}" ${how} while it ran`,
        hint: "What it made may rest on either: nothing of it is kept. The input is made again when it is needed.",
      };
    }
    for (const name of Object.keys(inputs)) {
      const found = this.#after(inputs[name]!);
      const how = found instanceof Promise ? await found : found;
      if (how === undefined) continue;
      return {
        kind: "input-damaged",
        message: `changed its input "${name}": ${how}`,
        hint: "A task must not write to its inputs: copy what it changes. The input is made again when it is needed.",
      };
    }
    return undefined;
  }

  /** What the step did to the input, in words; undefined when nothing. Marks the success. Told at once as `before` is. */
  #after(success: Success): string | undefined | Promise<string | undefined> {
    const checked = this.#check(success);
    return isIntact(checked) ? undefined : this.#judgedAfter(success, checked);
  }

  async #judgedAfter(success: Success, checked: Check | Promise<Check>): Promise<string | undefined> {
    const check = await checked;
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

  #check(success: Success): Check | Promise<Check> {
    const known = this.#known.get(success.id);
    return known === undefined ? this.#checkUnknown(success) : this.#stores.check(success, known);
  }

  async #checkUnknown(success: Success): Promise<Check> {
    const [encoded, stamps] = await Promise.all([
      this.#record.tree(success.treeDigest),
      this.#record.stamps(success.id),
    ]);
    const tree = decodeTree(encoded);
    this.know(success, tree, stamps);
    return this.#stores.check(success, { digest: success.treeDigest, tree, stamps });
  }

  async #mark(success: Success, check: Check & { kind: "missing" | "damaged" }): Promise<string> {
    this.#marks++;
    const both = { record: this.#record, stores: this.#stores };
    await markHere(success, check.kind === "missing" ? "lost" : "damaged", both);
    return told(check);
  }
}

function isIntact(checked: Check | Promise<Check>): boolean {
  return !(checked instanceof Promise) && checked.kind === "intact";
}

function told(check: Check & { kind: "missing" | "damaged" }): string {
  if (check.kind === "missing") return "is no longer there";
  return check.path === "" ? check.how : `${check.path} ${check.how}`;
}
