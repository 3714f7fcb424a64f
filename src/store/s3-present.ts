// Which of many trees lie in S3. A few are asked for one by one; many by listing, which tells of a thousand keys at a time, and
// jumps from one that is asked for to the next: so it never takes more requests than keys that are asked for.
import { sortUtf8 } from "../bencode/order.ts";
import { eachOf } from "../plan/source-s3.ts";
import type { S3Objects } from "./s3-objects.ts";

/** So many are asked for one by one. */
const FEW = 16;
/** Of more, each so many are a stretch of keys that is listed from its first to its last; several stretches at once. */
const STRETCH = 250;

/** Whether each key exists, in order; an undefined one does not. */
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
    const stretches = Array.from({ length: Math.ceil(asked.length / STRETCH) }, (_, n) =>
      asked.slice(n * STRETCH, (n + 1) * STRETCH),
    );
    await eachOf(stretches, async (stretch) => {
      for await (const key of listed(objects, stretch)) found.add(key);
    });
  }
  return keys.map((key) => key !== undefined && found.has(key));
}

/** Keys from each that is asked for up to the end of the page that it is on. `asked` is in order, and all in one folder. */
async function* listed(objects: S3Objects, asked: readonly string[]): AsyncGenerator<string> {
  const folder = asked[0]!.slice(0, asked[0]!.indexOf("/") + 1);
  for (let at = 0; at < asked.length; ) {
    const { value: page } = await objects.list(folder, { after: asked[at]!.slice(0, -1) }).next();
    if (page === undefined) return;
    for (const { key } of page.keys) yield key;
    const last = page.keys.at(-1)?.key;
    if (page.isLast || last === undefined) return;
    while (at < asked.length && asked[at]! <= last) at++;
  }
}
