// Names near a mistyped one, for "did you mean". Looks at each name once.

const MOST = 3;

/** The names nearest to `name`, best first, at most three; none that is farther than a third of its length. */
export function nearNames(name: string, names: Iterable<string>): string[] {
  const farthest = Math.max(1, Math.min(4, Math.floor(name.length / 3)));
  let found: { name: string; distance: number }[] = [];
  for (const other of names) {
    const distance = editDistance(name, other, farthest);
    if (distance > farthest) continue;
    found.push({ name: other, distance });
    if (found.length > 1000) found = nearest(found);
  }
  return nearest(found).map((near) => near.name);
}

/**
 * How many single-character changes (insert, delete, replace, swap of neighbours) make `a` into `b`, in UTF-16 units;
 * any number above `limit` means "more than `limit`". Time is proportional to length × limit.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let last: number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row: number[] = new Array(b.length + 1).fill(limit + 1);
    if (i <= limit) row[0] = i;
    let best = row[0]!;
    for (let j = Math.max(1, i - limit); j <= Math.min(b.length, i + limit); j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1);
      let distance = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) distance = Math.min(distance, before[j - 2]! + 1);
      row[j] = distance;
      best = Math.min(best, distance);
    }
    if (best > limit) return limit + 1;
    before = last;
    last = row;
  }
  return last[b.length]!;
}

function nearest(found: { name: string; distance: number }[]): { name: string; distance: number }[] {
  return found.sort((a, b) => a.distance - b.distance).slice(0, MOST);
}
