// Publishes within a run: each task as soon as it is done, and at the end all that were done before.
import type { PlanGraph } from "../plan/graph.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import { isolationSuffices } from "../record/isolation.ts";
import type { Demands } from "./demands.ts";
import type { RunEvent } from "./events.ts";
import type { ConfiguredOptions } from "./options.ts";
import { type Publication, publicationsOf } from "./publications.ts";
import { keptFolders, type PublishContext, publish } from "./publish.ts";

export interface PublisherOptions extends PublishContext {
  readonly plan: Plan;
  readonly graph: PlanGraph;
  readonly demands: Demands;
  readonly configured: ConfiguredOptions;
  emit(event: RunEvent): void;
}

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #publications: ReadonlyMap<string, Publication>;
  readonly #published = new Set<string>();
  #last: Promise<void> = Promise.resolve();
  /** How many tasks could not be published. */
  failed = 0;

  /** Throws `bad-publish`, `bad-options`. */
  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#publications = publicationsOf(options.plan, options.configured, keptFolders(options));
  }

  /** Whether there is anything to publish at all. */
  get publishes(): boolean {
    return this.#publications.size > 0;
  }

  /** Told of each task that has come to be done. */
  done(output: OutputId): void {
    const node = this.publishes ? this.#options.graph.node(output) : undefined;
    if (node !== undefined) this.#add(node);
  }

  /** Publishes what is done of these nodes and was not published yet. Throws errors of the record. */
  async finish(nodes: Iterable<number>): Promise<void> {
    if (this.publishes) for (const node of nodes) this.#add(node);
    await this.#last;
  }

  #add(node: number): void {
    for (const task of this.#options.graph.names(node)) {
      const publication = this.#publications.get(task);
      if (publication === undefined || this.#published.has(task)) continue;
      this.#published.add(task);
      this.#last = this.#last.then(() => this.#publish(task, publication));
      this.#last.catch(() => {}); // told by finish
    }
  }

  async #publish(task: string, publication: Publication): Promise<void> {
    const { plan, demands, emit } = this.#options;
    const { output } = plan.tasks[task]!;
    const found = await publish(plan, task, publication, this.#options, ({ isolation }) =>
      isolationSuffices(isolation, demands.of(output)),
    );
    switch (found.kind) {
      case "published":
        return emit({ event: "task.published", task, output, path: found.path, changed: found.changed });
      case "refused": {
        this.failed++;
        const { message, hint } = found.error;
        const told = { task, output, path: found.path, message, ...(hint === undefined ? {} : { hint }) };
        return emit({ event: "task.unpublished", ...told });
      }
      case "not-made":
        return;
      default:
        return found satisfies never;
    }
  }
}
