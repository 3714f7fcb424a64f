// Which file systems an embedded record must not lie on: SQLite's WAL needs memory shared by all its readers, and its
// locks need to be exact; over a network neither holds (https://sqlite.org/wal.html, https://sqlite.org/lockingv3.html).
import { statfsSync } from "node:fs";
import { AlamodeError } from "../errors.ts";

/** `f_type` of Linux' statfs (linux/magic.h and the file systems' own headers) → name. */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x0bd00bd0, "Lustre"],
  [0x00c36400, "CephFS"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x01021997, "9p"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
]);

/** Name of the network file system that a Linux `f_type` stands for; undefined for all others. */
export function networkFileSystem(type: number): string | undefined {
  return NETWORK.get(type >>> 0); // some kernels sign-extend it
}

/** Throws `record-on-network` if `folder` lies on one. Asks on Linux only: elsewhere the numbers mean other things. */
export function refuseNetworkFileSystem(folder: string, file: string): void {
  if (process.platform !== "linux") return;
  const name = networkFileSystem(statfsSync(folder).type);
  if (name === undefined) return;
  throw new AlamodeError(
    "record-on-network",
    `the record ${file} would lie on a network file system (${name})`,
    {
      facts: { record: file, "file system": name },
      hint: "Name a file on a local disk with --record FILE; the store may stay where it is.",
    },
  );
}
