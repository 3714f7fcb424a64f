// Which of many trees lie in S3. A few are asked for one by one; many by listing, which tells of a thousand keys at a time, and
// jumps from one that is asked for to the next: so it never takes more requests than keys that are asked for.
import { sortUtf8 } from "../bencode/order.ts";
import { eachOf } from "../plan/source-s3.ts";
import type { S3Objects } from "./s3-objects.ts";

const FEW = 16;

/** Whether each key exists, in order; an undefined one does not. Keys are `<text>/<2 hex>/<name>`. */
export async function presentIn(
  objects: S3Objects,
  keys: readonly (string | undefined)[],
): Promise<boolean[]> {
  const asked = sortUtf8([...new Set(keys.filter((key) => key !== undefined))]);
  const found = new Set<string>();
  if (asked.length <= FEW) {
    await eachOf(asked, async (key) => {
      if ((await objects.head(key)) !== undefined) found.add(key);
    });
  } else {
    await eachOf(foldersOf(asked), async ([folder, within]) => {
      for await (const key of listed(objects, folder, within)) found.add(key);
    });
  }
  return keys.map((key) => key !== undefined && found.has(key));
}

/** The keys by the folder that they lie in, in order. */
function foldersOf(keys: readonly string[]): [folder: string, keys: string[]][] {
  const folders = new Map<string, string[]>();
  for (const key of keys) {
    const folder = key.slice(0, key.lastIndexOf("/") + 1);
    const within = folders.get(folder) ?? [];
    within.push(key);
    folders.set(folder, within);
  }
  return [...folders];
}

/** The keys of a folder, from each that is asked for up to the end of the page that it is on. `asked` is in order. */
async function* listed(objects: S3Objects, folder: string, asked: readonly string[]): AsyncGenerator<string> {
  for (let at = 0; at < asked.length; ) {
    const [page] = [(await objects.list(folder, { after: asked[at]!.slice(0, -1) }).next()).value];
    if (page === undefined) return;
    for (const { key } of page.keys) yield key;
    const last = page.keys.at(-1)?.key;
    if (page.isLast || last === undefined) return;
    while (at < asked.length && asked[at]! <= last) at++;
  }
}
