// Copies outputs from store to store, and what is known of them from record to record: with the run and the execution that made
// them, the receipt, the log and the code. Whatever was copied before is left as it is, so a call that was cut off is simply repeated; the
// success is written last, so none is ever anywhere without its bytes.
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { decode } from "../bencode/decode.ts";
import type { BnormalMap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { planDigest } from "../plan/encode.ts";
import { bundleName } from "../plan/module-keep.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { CommitRequest, Execution, RecordDb, Run, Success } from "../record/types.ts";
import { type Stores, storesOf } from "../store/stores.ts";
import { decodeTree } from "../store/tree.ts";
import type { Location, Store, TreeDigest } from "../store/types.ts";
import { isElsewhere } from "./elsewhere.ts";
import { thisHost } from "./host.ts";
import { runnableOf } from "./runnable.ts";

export type Transferred =
  /** Its bytes were copied, and its success written there. */
  | { readonly kind: "copied"; readonly sizeBytes: number; readonly files: number }
  /** Only its success was written: its bytes were there, or those of another output with the same. */
  | { readonly kind: "noted" }
  | { readonly kind: "there" }
  | { readonly kind: "left"; readonly because: string };

export interface Ends {
  readonly from: { readonly record: RecordDb; readonly stores: Stores };
  /** `record` may be the same: then successes are moved to the other store. */
  readonly to: { readonly record: RecordDb; readonly store: Store };
}

/** Which of these need no `transfer`, since all of it was done before. Few round trips for many. */
export async function transferredBefore(
  outputs: readonly OutputId[],
  { from, to }: Ends,
): Promise<Set<OutputId>> {
  const ours = await from.record.successes(outputs);
  const theirs = from.record.id === to.record.id ? ours : await to.record.successes(outputs);
  const same = [...theirs.values()].filter(
    ({ output, store, treeDigest }) => store === to.store.id && treeDigest === ours.get(output)?.treeDigest,
  );
  const present = await to.store.present(same.map(({ location }) => location));
  return new Set(same.flatMap(({ output }, i) => (present[i] ? [output] : [])));
}

/** Copies one output, whose inputs were copied before it if they are to be. Throws errors of stores and records. */
export async function transfer(output: OutputId, ends: Ends, signal?: AbortSignal): Promise<Transferred> {
  const { from } = ends;
  const success = (await from.record.successes([output])).get(output);
  if (success === undefined) return { kind: "left", because: "it is not made" };
  const execution = await from.record.execution(success.execution);
  const run = execution && (await from.record.run(execution.run));
  if (execution === undefined || run === undefined)
    return { kind: "left", because: "the record does not say how it was made" };
  const isMove = from.record.id === ends.to.record.id;
  if (isMove && success.store === ends.to.store.id) {
    const [isThere] = await ends.to.store.present([success.location]);
    return isThere ? { kind: "there" } : { kind: "left", because: "its bytes are gone" };
  }
  const [isThere] = await from.stores.present([success]);
  if (!isThere) {
    const because = (await isElsewhere(success, from.stores))
      ? "it lies in another store, which is not named here"
      : "its bytes are gone";
    return { kind: "left", because };
  }
  const original =
    success.aliasOf === undefined ? success : await originalOf(success, execution, from.record);
  const copying = new Copying(ends, { original, execution, run }, signal);
  return isMove ? copying.move() : copying.copy(success);
}

async function originalOf(alias: Success, execution: Execution, record: RecordDb): Promise<Success> {
  const history = await record.history(execution.output);
  return history.find(({ id }) => id === alias.aliasOf)!;
}

/** Where the bytes of an original lie after they were copied. */
type Bytes = Pick<CommitRequest, "store" | "location" | "stamps" | "host" | "boot">;

interface Made {
  readonly original: Success;
  readonly execution: Execution;
  readonly run: Run;
}

class Copying {
  readonly #ends: Ends;
  readonly #made: Made;
  readonly #signal: AbortSignal | undefined;

  constructor(ends: Ends, made: Made, signal: AbortSignal | undefined) {
    this.#ends = ends;
    this.#made = made;
    this.#signal = signal;
  }

  /** Within one record: the success is where its bytes are copied to. */
  async move(): Promise<Transferred> {
    const { store, record } = this.#ends.to;
    const { original } = this.#made;
    if (original.store === store.id) return { kind: "there" };
    await record.relocate(original.id, await this.#bytes());
    return { kind: "copied", sizeBytes: original.sizeBytes, files: original.files };
  }

  /** To another record. `success` is what stands for the output in the one: the original, or an alias of it. */
  async copy(success: Success): Promise<Transferred> {
    const { record, store } = this.#ends.to;
    const { original, execution } = this.#made;
    const stores = storesOf(store);
    const standing = (await record.successes([success.output])).get(success.output);
    if (standing !== undefined && (await this.#isAt(standing, stores))) return { kind: "there" };
    const known = (await record.history(original.output)).find(
      (one) => one.execution === execution.id && one.aliasOf === undefined,
    );
    if (known?.state === "lost" || known?.state === "damaged")
      return { kind: "left", because: `it was there before, and was found to be ${known.state}` };
    let id = known?.id;
    let copied = false;
    if (known === undefined || !(await this.#isAt(known, stores))) {
      const bytes = await this.#bytes();
      copied = true;
      if (known !== undefined) await record.relocate(known.id, bytes);
      else id = await this.#commit(bytes);
      if (id === undefined) return { kind: "left", because: "it is being made there" };
    }
    if (success.aliasOf !== undefined) await this.#alias(success, id!);
    return copied
      ? { kind: "copied", sizeBytes: original.sizeBytes, files: original.files }
      : { kind: "noted" };
  }

  async #isAt({ store: id, location, treeDigest }: Success, stores: Stores): Promise<boolean> {
    if (id !== stores.main.id || treeDigest !== this.#made.original.treeDigest) return false;
    return (await stores.present([{ store: id, location }]))[0]!;
  }

  /** Copies the tree, and what explains it. What comes is held against the digest. */
  async #bytes(): Promise<Bytes> {
    const { from, to } = this.#ends;
    const { original, execution } = this.#made;
    const { output, treeDigest: digest, sizeBytes, files } = original;
    const encoded = await from.record.tree(digest);
    const { spec, inputs } = (await from.record.identity(output)) ?? { spec: {}, inputs: {} };
    await this.#sources(spec);
    using staged = await from.stores.stage(original, this.#signal);
    const { id, task, host, user, endedAt = original.madeAt } = execution;
    await to.store.appendReceipt(execution.run, {
      output,
      spec,
      inputs,
      digests: execution.inputs,
      digest,
      tree: encoded,
      execution: {
        id,
        task,
        argv: argvOf(task, spec),
        host,
        user,
        ended: endedAt,
        isolation: original.isolation,
      },
    });
    const sealed = {
      path: staged.path,
      tree: decodeTree(encoded),
      digest,
      encoded,
      sizeBytes,
      files,
      stamps: new Uint8Array(0),
    };
    const taken = await to.record.locations(output, to.store.id);
    const options = { taken, mayMoveAside: false, leave: true } as const;
    const placed = await this.#commitBytes(() => to.store.commit(output, sealed, options, this.#signal));
    if (!to.store.durable) await to.store.sync();
    await this.#log();
    const here = thisHost();
    return { ...placed, store: to.store.id, host: here.host, boot: here.boot };
  }

  /** Bytes that turn out to be others than those that were recorded are noted as damaged where they come from. */
  async #commitBytes(commit: () => Promise<{ location: Location; stamps: Uint8Array }>) {
    const { from } = this.#ends;
    const { original } = this.#made;
    try {
      return await commit();
    } catch (error) {
      const isTheirs = error instanceof AlamodeError && error.code === "bad-output";
      if (!isTheirs || (await from.stores.rehash(original, this.#signal))?.digest === original.treeDigest)
        throw error;
      await from.record.mark([original.id], "damaged");
      throw new AlamodeError(
        "output-damaged",
        `output ${original.output.slice(0, 8)} was changed in its store since it was made`,
        {
          hint: "It is made again when it is needed: alamode run. Copy it then.",
          cause: error,
        },
      );
    }
  }

  /** Writes run, execution and success; undefined where somebody else is making the output. */
  async #commit(bytes: Bytes): Promise<number | undefined> {
    const { from, to } = this.#ends;
    const { original, execution, run } = this.#made;
    const plan = await from.record.plan(run.planDigest);
    if (plan !== undefined) await to.record.notePlan(plan, run.planDigest);
    await this.#noteIdentity(original.output, execution.task);
    const { resolvedKey, inputs } = await from.record.origin(original.id);
    await this.#noteTrees(inputs);
    const token = randomBytes(16).toString("hex");
    if (!(await to.record.adopt({ run, execution, resolvedKey, token }))) return undefined;
    const { success } = await to.record.commit({
      ...bytes,
      token,
      execution: execution.id,
      output: original.output,
      treeDigest: original.treeDigest,
      tree: await from.record.tree(original.treeDigest),
      sizeBytes: original.sizeBytes,
      files: original.files,
      isolation: original.isolation,
      inputs,
      resolvedKey,
      endedAt: execution.endedAt ?? original.madeAt,
      resources: execution.resources,
      ...(execution.log === undefined ? {} : { log: execution.log }),
      host: execution.host,
    });
    await to.record.settleThese([success.id]);
    return success.id;
  }

  async #alias(alias: Success, original: number): Promise<void> {
    const { from, to } = this.#ends;
    await this.#noteIdentity(alias.output, this.#made.execution.task);
    const { inputs } = await from.record.origin(alias.id);
    await this.#noteTrees(inputs);
    await to.record.alias([{ output: alias.output, original, isolation: alias.isolation, inputs }]);
  }

  /** What made an output that the run's plan does not name: one of a plan that a task wrote. */
  async #noteIdentity(output: OutputId, task: string): Promise<void> {
    const { from, to } = this.#ends;
    const identity = await from.record.identity(output);
    if (identity === undefined || (await to.record.identity(output)) !== undefined) return;
    const plan = {
      meta: {},
      tasks: { [task]: { ...identity.spec, inputs: identity.inputs, output } },
    } as Plan;
    await to.record.notePlan(plan, planDigest(plan));
  }

  async #noteTrees(inputs: Readonly<Record<string, { readonly treeDigest: TreeDigest }>>): Promise<void> {
    const { from, to } = this.#ends;
    const trees = new Map<TreeDigest, Uint8Array>();
    for (const { treeDigest } of Object.values(inputs))
      trees.set(treeDigest, await from.record.tree(treeDigest));
    await to.record.noteTrees(trees);
  }

  async #log(): Promise<void> {
    const { from, to } = this.#ends;
    const { log } = this.#made.execution;
    const path = log === undefined ? undefined : await from.stores.main.log(log);
    if (log === undefined || path === undefined) return;
    const place = join(to.store.logDir, log);
    if (!existsSync(place)) copyFileSync(path, place);
    await to.store.keepLog(log);
  }

  /** The code that it was made by, as far as it is kept: so that others can verify it, or make it again. */
  async #sources(spec: BnormalMap): Promise<void> {
    const { from, to } = this.#ends;
    const { main } = from.stores;
    const keep = async (sha256: string) => {
      const path = await main.source(sha256);
      if (path !== undefined) await to.store.keepSource(sha256, path);
      return path;
    };
    for (const sha256 of Object.values((spec["files"] ?? {}) as Record<string, string>)) await keep(sha256);
    const { module } = spec;
    const path = typeof module === "string" ? await keep(module) : undefined;
    if (typeof module !== "string" || path === undefined) return;
    const { readFile } = await import("node:fs/promises");
    const { sources = {} } = decode(await readFile(path)) as { readonly sources?: Record<string, string> };
    for (const sha256 of Object.values(sources)) await keep(sha256);
    const bundle = await main.derived(bundleName(module));
    if (bundle !== undefined) await to.store.keepDerived(bundleName(module), await readFile(bundle));
  }
}

function argvOf(task: string, spec: BnormalMap): readonly string[] {
  try {
    return runnableOf(task, { ...spec, inputs: {}, output: "" as OutputId }).argv;
  } catch {
    return []; // for another engine, or a later version of this one
  }
}
