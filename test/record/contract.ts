// What every kind of record keeps to. Each driver's tests call this with a module that opens it.
import { type TestContext, test } from "node:test";
import type { RecordDb, RunId } from "../../src/record/types.ts";
import { adoptionContract } from "./contract-adoption.ts";
import { aliasContract } from "./contract-alias.ts";
import { aliasBatchContract } from "./contract-alias-batches.ts";
import { leaseContract } from "./contract-leases.ts";
import { modelContract } from "./contract-model.ts";
import { pastContract } from "./contract-pasts.ts";
import { planContract } from "./contract-plans.ts";
import { processContract } from "./contract-processes.ts";
import { runContract } from "./contract-runs.ts";
import { slotContract } from "./contract-slots.ts";
import { successContract } from "./contract-successes.ts";
import { validityContract } from "./contract-validity.ts";
import { verificationContract } from "./contract-verifications.ts";
import { scratch } from "./maker.ts";

/** Runs `body` as a test, on a fresh record that is closed after it. */
export type InRecord = (
  what: string,
  body: (record: RecordDb, t: TestContext, dir: string) => Promise<void>,
) => void;

/** What a module exports that opens one kind of record. */
export interface Opener {
  /** A fresh record that may use the folder `dir`, or the one opened there before. */
  open(dir: string): Promise<RecordDb>;
  /** Where leases go by heartbeat: lets that of a run run out that no longer renews it. */
  expire?(dir: string, run: RunId): Promise<void>;
}

/** To be called after the death of a run's process: a lease by heartbeat has to run out, a lock has gone with it. */
export async function expired(opener: URL, dir: string, run: RunId): Promise<void> {
  const { expire } = (await import(opener.href)) as Opener;
  await expire?.(dir, run);
}

/** `opener` is an Opener; `histories` is how many random ones are compared with the model. */
export function recordContract(name: string, opener: URL, { histories = 150 } = {}): void {
  const inRecord: InRecord = (what, body) =>
    void test(`${name}: ${what}`, async (t) => {
      const dir = scratch(t);
      const { open } = (await import(opener.href)) as Opener;
      const record = await open(dir);
      try {
        await body(record, t, dir);
      } finally {
        await record.close();
      }
    });
  runContract(inRecord);
  slotContract(inRecord, opener);
  planContract(inRecord);
  pastContract(inRecord);
  leaseContract(inRecord);
  successContract(inRecord);
  validityContract(inRecord);
  aliasContract(inRecord);
  aliasBatchContract(inRecord, histories);
  adoptionContract(inRecord);
  verificationContract(inRecord);
  modelContract(inRecord, histories);
  processContract(inRecord, opener);
}
