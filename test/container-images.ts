// A container runtime with an image store of the test's own, and images made without any registry.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "../src/store/remove.ts";

const BUSYBOX = "/bin/busybox";

/** Without a limit that may lie above what a machine allows, and with a runtime that works with cgroups of either version. */
const CONTAINERS_CONF = `[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
${existsSync("/usr/sbin/runc") ? 'runtime = "runc"' : ""}
[network]
network_backend = "netavark"
`;

export interface Images {
  /** What `podman` needs, beside the caller's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Makes an image of BusyBox whose file /marker holds the text, under that name. Returns its digest. */
  make(name: string, marker: string): string;
  /** The names of containers that there are, running or not. */
  containers(): string[];
  remove(): Promise<void>;
}

/** Why there is no podman to test with as that user; undefined where there is. */
export function noPodman(uid = process.getuid!()): string | undefined {
  if (!existsSync(BUSYBOX)) return "needs busybox-static";
  if (spawnSync("podman", ["--version"]).status !== 0) return "needs podman";
  if (uid !== process.getuid!() && process.getuid!() !== 0) return "needs root";
  const images = openImages(uid);
  images.make("localhost/try:1", "");
  const tried = images.podman("run", "--rm", "--pull=never", "--network=none", "localhost/try:1", "true");
  void images.remove();
  return tried.status === 0 ? undefined : `podman does not work here: ${tried.stderr.trim().slice(-300)}`;
}

export function openImages(uid = process.getuid!()) {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-podman-")));
  const own = (path: string) => chownSync(path, uid, uid === 0 ? 0 : uid);
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    own(join(dir, name));
    return join(dir, name);
  };
  own(dir);
  const env = {
    CONTAINERS_CONF: file("containers.conf", CONTAINERS_CONF),
    CONTAINERS_STORAGE_CONF: file(
      "storage.conf",
      `[storage]\ndriver = "vfs"\ngraphroot = "${dir}/storage"\nrunroot = "${dir}/run"\n[storage.options]\nignore_chown_errors = "true"\n[storage.options.vfs]\nignore_chown_errors = "true"\n`,
    ),
    XDG_RUNTIME_DIR: join(dir, "xdg"),
    HOME: dir,
  };
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  own(env.XDG_RUNTIME_DIR);
  const podman = (...args: string[]) =>
    spawnSync("podman", args, {
      env: { ...process.env, ...env, TMPDIR: dir },
      cwd: dir,
      encoding: "utf8",
      uid,
      gid: uid,
    });
  const checked = (...args: string[]) => {
    const { status, stdout, stderr } = podman(...args);
    if (status !== 0) throw new Error(`podman ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  return {
    env,
    podman,
    make(name: string, marker: string): string {
      checked("import", "-q", busyboxTar(dir, marker, own), name);
      return checked("image", "inspect", "--format", "{{.Digest}}", name);
    },
    containers: () => checked("ps", "-a", "--format", "{{.Names}}").split("\n").filter(Boolean),
    async remove() {
      podman("rm", "-fa");
      podman("rmi", "-fa");
      if (uid !== process.getuid!()) podman("unshare", "rm", "-rf", join(dir, "storage"));
      await removeTree(dir);
    },
  };
}

/** The file system of an image as a tar file. */
export function busyboxTar(dir: string, marker: string, own: (path: string) => void = () => {}): string {
  const root = join(dir, "rootfs");
  if (!existsSync(root)) {
    for (const folder of ["bin", "etc", "tmp", "proc", "sys", "dev"])
      mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(BUSYBOX, join(root, "bin/busybox"));
    const applets = spawnSync(BUSYBOX, ["--list"], { encoding: "utf8" }).stdout.split("\n");
    for (const applet of applets)
      if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
    chmodSync(join(root, "tmp"), 0o1777);
    writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
  }
  writeFileSync(join(root, "marker"), marker);
  const tar = join(dir, "rootfs.tar");
  const packed = spawnSync("tar", [
    "--owner=0",
    "--group=0",
    "--mtime=@0",
    "--sort=name",
    "-C",
    root,
    "-cf",
    tar,
    ".",
  ]);
  if (packed.status !== 0) throw new Error(String(packed.stderr));
  own(tar);
  return tar;
}
