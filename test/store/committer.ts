// A process of its own that commits what it is told: node committer.ts DIR SLOT. On each line of stdin,
// `<output> <file | folder> <content>`, it seals and says "sealed"; on the line "go" it commits and says where to.
import { createInterface } from "node:readline";
import type { OutputId } from "../../src/plan/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import type { SealedTree } from "../../src/store/types.ts";
import { build } from "./scratch.ts";

const [dir, slot] = process.argv.slice(2);
const store = await openFolderStore(dir!);
let sealed: { readonly output: OutputId; readonly tree: SealedTree } | undefined;

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "go" && sealed !== undefined) {
    const { location } = await store.commit(sealed.output, sealed.tree, { taken: [], mayMoveAside: false });
    console.log(JSON.stringify({ location, digest: sealed.tree.digest }));
  } else {
    const [output, kind, content] = line.split(" ");
    const name = `${output!.slice(0, 8)}-OUTPUT`;
    const at = `${store.scratchDir}/${slot}`;
    build(
      at,
      kind === "file" ? { [name]: content! } : { [`${name}/file`]: content!, [`${name}/sub/x`]: content! },
    );
    sealed = { output: output as OutputId, tree: await store.seal(`${at}/${name}`, {}) };
    console.log("sealed");
  }
}
await store.close();
