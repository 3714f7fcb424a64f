// The end of a step that succeeded. The order is the promise: hash, make read-only, receipt, exclusive move, and last one
// transaction. Killed between any two of these, the next run finds rubbish that no success names, and makes it again.
import { type OutputId, specOf } from "../plan/types.ts";
import { isolationOver } from "../record/isolation.ts";
import type { CommitRequest, Isolation, Resources, Success } from "../record/types.ts";
import type { Making, SealedTree, Store, TreeDigest } from "../store/types.ts";
import { needlesFor, refuseSecrets } from "./secrets/in-output.ts";
import type { StepSecrets } from "./secrets/secrets.ts";
import { digestsOf, madeOutput, type StepContext, type StepRequest } from "./step-types.ts";

/** What a command left behind. */
export interface Finished {
  readonly token: string;
  readonly resolvedKey: string;
  /** Where it goes, and where it was made. Links into its inputs are replaced by their content. */
  readonly store: Store;
  readonly making: Making;
  /** The output, where it is sealed already. */
  readonly sealed?: SealedTree;
  readonly resources: Resources;
  readonly secrets: StepSecrets;
  readonly log?: string;
}

/** Commits. Throws `bad-output`, `no-space`, `lease-lost` and other errors of store and record. */
export async function commitStep(
  context: StepContext,
  request: StepRequest,
  { token, resolvedKey, store, making, resources, secrets, log, ...finished }: Finished,
): Promise<Success> {
  const { record, host, run, warn } = context;
  const { planTask, inputs, execution, task, runnable } = request;
  const output = madeOutput(request);
  const sealed =
    finished.sealed ??
    (await making.seal(
      { inputs: Object.values(making.inputs), needles: needlesFor(run, secrets) },
      context.kill,
    ));
  refuseSecrets(sealed, secrets);
  const scratchIn = sealed.needlesIn?.get(0);
  if (scratchIn !== undefined) {
    warn(
      "scratch-path",
      `${scratchIn === "" ? "its output" : `"${scratchIn}"`} holds the random name of the scratch folder, so it will never be made again with the same bytes`,
      task,
      "Write relative paths into results.",
    );
  }
  const spec = specOf(planTask);
  const digests = digestsOf(inputs);
  const read: Record<string, { output: OutputId; treeDigest: TreeDigest }> = Object.create(null);
  const isolations: Isolation[] = [];
  for (const name of Object.keys(inputs)) {
    const { output, treeDigest, isolation } = inputs[name]!;
    read[name] = { output, treeDigest };
    isolations.push(isolation);
  }
  const isolation = isolationOver(request.isolation, isolations);
  const endedAt = Date.now();
  await store.appendReceipt(run, {
    output,
    spec,
    inputs: planTask.inputs,
    digests,
    digest: sealed.digest,
    tree: sealed.encoded,
    execution: {
      id: execution,
      task,
      argv: runnable.argv,
      host: host.host,
      user: host.user,
      ended: endedAt,
      isolation,
    },
    ...(request.expansion ? { expands: planTask.output } : {}),
  });
  const taken = await record.locations(output, store.id);
  const mayMoveAside = await context.ownsStore(store);
  const { location, stamps } = await store.commit(output, sealed, { taken, mayMoveAside }, context.kill);
  const commit: CommitRequest = {
    token,
    execution,
    output,
    treeDigest: sealed.digest,
    tree: sealed.encoded,
    sizeBytes: sealed.sizeBytes,
    files: sealed.files,
    location,
    store: store.id,
    stamps,
    isolation,
    inputs: read,
    resolvedKey,
    endedAt,
    resources,
    ...(log === undefined ? {} : { log }),
    host: host.host,
    boot: host.boot,
  };
  const committed = await record.commit(commit, request.pressing());
  context.checks.know(committed.success, sealed.tree, stamps);
  if (committed.differsFrom !== undefined) {
    const stale = committed.madeStale;
    warn(
      "not-deterministic",
      `made other bytes than before (tree ${sealed.digest.slice(0, 8)}, before ${committed.differsFrom.slice(0, 8)}): it is not deterministic` +
        (stale === 0
          ? ""
          : `. ${stale} ${stale === 1 ? "result" : "results"} made from the old bytes ${stale === 1 ? "is" : "are"} stale`),
      task,
    );
  }
  return committed.success;
}
