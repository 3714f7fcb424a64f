// What every kind of record keeps to. Each driver's tests call this with a module that opens it.
import { type TestContext, test } from "node:test";
import type { RecordDb } from "../../src/record/types.ts";
import { aliasContract } from "./contract-alias.ts";
import { leaseContract } from "./contract-leases.ts";
import { modelContract } from "./contract-model.ts";
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

/** `opener` is a module whose `open(dir)` gives a fresh record that may use the folder `dir`, or the one opened there before. */
export function recordContract(name: string, opener: URL): void {
  const inRecord: InRecord = (what, body) =>
    void test(`${name}: ${what}`, async (t) => {
      const dir = scratch(t);
      const { open } = (await import(opener.href)) as { open: (dir: string) => Promise<RecordDb> };
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
  leaseContract(inRecord);
  successContract(inRecord);
  validityContract(inRecord);
  aliasContract(inRecord);
  verificationContract(inRecord);
  modelContract(inRecord);
  processContract(inRecord, opener);
}
