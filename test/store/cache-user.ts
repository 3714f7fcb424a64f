// A process of its own that uses a cache: node cache-user.ts DIR CAP. On each line of stdin it stages the tree that holds that
// text, says where, and keeps it; on the line "let go" it lets go of all. What it fetches it says first; "for ever" takes that long.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { TreeCache } from "../../src/store/cache.ts";
import { summed } from "../../src/store/hash.ts";
import type { StagedTree } from "../../src/store/types.ts";
import { textTree } from "./scratch.ts";

const [dir, cap] = process.argv.slice(2);
const cache = new TreeCache({ dir: dir!, capBytes: Number(cap) });
const held: StagedTree[] = [];

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "let go") {
    for (const one of held.splice(0)) one[Symbol.dispose]();
    console.log("let go");
    continue;
  }
  const { digest, encoded } = summed(textTree(line));
  const staged = await cache.stage(digest, {
    encoded: async () => encoded,
    async fetch(_, path) {
      writeFileSync(path, line);
      console.log(`fetching ${line}`);
      if (line === "for ever") await new Promise(() => {});
    },
  });
  held.push(staged);
  console.log(staged.path);
}
await cache.close();
