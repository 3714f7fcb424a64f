// A disk of a few megabytes, for tests that fill it: a tmpfs, which only root may mount.
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export interface SmallDisk {
  readonly dir: string;
  /** Leaves about so many bytes free, by a file of its own; the one from before goes first. */
  fill(freeBytes: number): void;
  /** Takes that file away. */
  free(): void;
}

/** Mounts one in a new folder; both go after the test. Undefined where that is not possible. */
export function smallDisk(t: TestContext, mebibytes: number): SmallDisk | undefined {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-disk-")));
  const size = `size=${mebibytes}m`;
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", size, "none", dir]).status === 0;
  t.after(() => {
    if (mounted) spawnSync("umount", ["-l", dir]);
    rmdirSync(dir);
  });
  if (!mounted) return undefined;
  const filler = join(dir, "filler");
  const free = () => rmSync(filler, { force: true });
  return {
    dir,
    free,
    fill(freeBytes) {
      free();
      const { bavail, bsize } = statfsSync(dir);
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)));
    },
  };
}
