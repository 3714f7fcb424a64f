// What a look at the bytes of successes found out, on its way into the record: many at once.
import type { RecordDb } from "../record/types.ts";
import type { Fact } from "./decide.ts";

/** Hashing may take hours: what was found is written down this often, so that little is lost if that is broken off. */
const WRITE_MS = 1_000;

export class Findings {
  readonly #record: RecordDb;
  readonly #ids = { lost: [] as number[], damaged: [] as number[], sound: [] as number[] };
  #writtenMs = performance.now();

  constructor({ record }: { readonly record: RecordDb }) {
    this.#record = record;
  }

  /** `rehashed`: it was not believed unseen, and turned out to be sound. */
  async add(fact: Fact & { readonly rehashed?: true }): Promise<void> {
    if (fact.kind === "lost" || fact.kind === "damaged") this.#ids[fact.kind].push(fact.success.id);
    else if (fact.kind === "done" && fact.rehashed) this.#ids.sound.push(fact.success.id);
    if (performance.now() - this.#writtenMs > WRITE_MS) await this.write();
  }

  async write(): Promise<void> {
    const { lost, damaged, sound } = this.#ids;
    if (lost.length > 0) await this.#record.mark(lost.splice(0), "lost");
    if (damaged.length > 0) await this.#record.mark(damaged.splice(0), "damaged");
    if (sound.length > 0) await this.#record.settleThese(sound.splice(0));
    this.#writtenMs = performance.now();
  }
}
