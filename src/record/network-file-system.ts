// Which file systems an embedded record must not lie on: SQLite's WAL needs memory shared by all its readers, and its
// locks need to be exact; over a network neither holds (https://sqlite.org/wal.html, https://sqlite.org/lockingv3.html).
import { readFileSync, realpathSync, statfsSync } from "node:fs";
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

/** What statfs calls every file system of a user's own program: which it is stands in /proc/self/mountinfo. */
const FUSE = 0x65735546;

/** The types, as they stand there, of those that are on another machine. */
const NETWORK_FUSE: ReadonlyMap<string, string> = new Map([
  ["fuse.sshfs", "SSHFS"],
  ["fuse.glusterfs", "GlusterFS"],
  ["fuse.ceph", "CephFS"],
  ["fuse.ceph-fuse", "CephFS"],
  ["fuse.s3fs", "s3fs"],
  ["fuse.gcsfuse", "gcsfuse"],
  ["fuse.rclone", "rclone"],
  ["fuse.juicefs", "JuiceFS"],
  ["fuse.JuiceFS:jfs", "JuiceFS"],
  ["fuse.mfs", "MooseFS"],
  ["fuse.davfs", "WebDAV"],
]);

/**
 * The same of a file system in user space, from the text of /proc/self/mountinfo (proc_pid_mountinfo(5)): that of the mount which
 * `folder`, an absolute path without links, is in.
 */
export function networkFuse(mountinfo: string, folder: string): string | undefined {
  let found: { readonly point: string; readonly type: string } | undefined;
  for (const line of mountinfo.split("\n")) {
    const [mount = "", source = ""] = line.split(" - ");
    const point = (mount.split(" ")[4] ?? "").replaceAll(/\\([0-7]{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (point === "" || !`${folder}/`.startsWith(point === "/" ? "/" : `${point}/`)) continue;
    // Of those mounted over each other the last one is seen.
    if (found === undefined || point.length >= found.point.length)
      found = { point, type: source.split(" ")[0] ?? "" };
  }
  return NETWORK_FUSE.get(found?.type ?? "");
}

/** Throws `record-on-network` if `folder` lies on one. Asks on Linux only: elsewhere the numbers mean other things. */
export function refuseNetworkFileSystem(folder: string, file: string): void {
  if (process.platform !== "linux") return;
  const { type } = statfsSync(folder);
  const name =
    type === FUSE
      ? networkFuse(readFileSync("/proc/self/mountinfo", "utf8"), realpathSync(folder))
      : networkFileSystem(type);
  if (name === undefined) return;
  throw new AlamodeError(
    "record-on-network",
    `the record ${file} would lie on a network file system (${name})`,
    {
      facts: { record: file, "file system": name },
      hint: "Name a file on a local disk with --record FILE, or a server with --record postgres://…; the store may stay where it is.",
    },
  );
}
