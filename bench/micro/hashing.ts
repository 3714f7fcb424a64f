// Hashing trees: one large file, against sha256 of the same bytes in memory on one core and on all; and many small ones.
import { hash } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { hashTree } from "../../src/store/hash.ts";
import type { Micro } from "./types.ts";

const LARGE_BYTES = Number(process.env["BENCH_LARGE_BYTES"] ?? 4 * 2 ** 30);
const SMALL_FILES = 100_000;
const CHUNK = Buffer.alloc(2 ** 20, "a large file, ");

export const hashing: Micro = async (dir) => {
  const large = join(dir, "large");
  const small = join(dir, "small");
  mkdirSync(large, { recursive: true });
  const cores = availableParallelism();
  for (let i = 0; i < cores; i++) {
    const fd = openSync(join(large, String(i)), "w");
    for (let done = 0; done < LARGE_BYTES / cores; done += CHUNK.length) writeSync(fd, CHUNK);
    closeSync(fd);
  }
  for (let i = 0; i < SMALL_FILES; i++) {
    const folder = join(small, String(i % 100));
    if (i < 100) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, String(i)), `${i}\n`);
  }
  const one = Buffer.alloc(2 ** 28, CHUNK);
  const inMemory = rate(one.length, () => hash("sha256", one, "hex"));
  const alone = await rate(LARGE_BYTES / cores, () => hashTree(join(large, "0")));
  const together = await rate(LARGE_BYTES, () => hashTree(large));
  const startedMs = performance.now();
  await hashTree(small);
  const perFileUs = ((performance.now() - startedMs) * 1000) / SMALL_FILES;
  return [
    { what: "sha256 in memory, one core", value: await inMemory, unit: "MB/s" },
    { what: `one file of ${(LARGE_BYTES / cores / 2 ** 30).toFixed(1)} GiB`, value: alone, unit: "MB/s" },
    { what: `${cores} such files`, value: together, unit: "MB/s" },
    {
      what: `${cores} such files, over the cores' rate in memory`,
      value: together / ((await inMemory) * cores),
      unit: "",
    },
    { what: `${SMALL_FILES} small files, each`, value: perFileUs, unit: "µs" },
  ];
};

async function rate(bytes: number, work: () => unknown): Promise<number> {
  const startedMs = performance.now();
  await work();
  return bytes / 1e6 / ((performance.now() - startedMs) / 1000);
}
