// The order of isolations: none < bubblewrap < container, there under the image that is demanded. An isolation says what its own
// command was shut in, and after a slash what all above it have, where that is another: a level that is less, or, where all are
// containers, a digest of which. So what rests on another image is told from it without looking at anything above.
import { hash } from "node:crypto";
import type { Isolation } from "./types.ts";

/** What data from outside has: nothing was run, and its digest says what it is. As good as any other. */
export const DATA: Isolation = "data";

const LEVELS = ["none", "bubblewrap", "container"];
const CONTAINER = LEVELS.indexOf("container");

/** Of a container made from the image with this digest (`sha256:<64 hex>`). */
export function containerIsolation(imageDigest: string): Isolation {
  return `container:${imageDigest}`;
}

/** The image's digest; undefined for what is no container. */
export function imageDigestOf(isolation: Isolation): string | undefined {
  const own = ownIsolation(isolation);
  return own.startsWith("container:") ? own.slice("container:".length) : undefined;
}

/** What the command itself was shut in. */
export function ownIsolation(isolation: Isolation): Isolation {
  return isolation.split("/", 1)[0]!;
}

/** What a success needs that has to be made in this, whatever it was made from. */
export function whateverAbove(isolation: Isolation): Isolation {
  const own = ownIsolation(isolation);
  return own === "none" || own === DATA ? own : `${own}/none`;
}

/** What something has that was made in `own` from inputs that have these. */
export function isolationOver(own: Isolation, inputs: Iterable<Isolation>): Isolation {
  const self = ownIsolation(own);
  const above = new Set(inputs);
  above.delete(DATA);
  const level = Math.min(...[...above].map(levelOf));
  if (self === DATA || levelOfOwn(self) > level) return self === DATA ? self : `${self}/${LEVELS[level]}`;
  above.delete(self);
  if (levelOfOwn(self) < CONTAINER || above.size === 0) return self;
  return `${self}/${hash("sha256", [...above].sort().join("\n")).slice(0, 16)}`;
}

/** What both have, for a result that rests on how it was found and on what was found. */
export function lesserOf(isolation: Isolation, other: Isolation): Isolation {
  const level = levelOf(other);
  return level < levelOf(isolation) ? LEVELS[level]! : isolation;
}

/** Whether what was made under `have` counts where `want` is demanded. `container` is one of any image. */
export function isolationSuffices(have: Isolation, want: Isolation): boolean {
  if (have === want || want === "none" || have === DATA) return true;
  const [own, above] = want.split("/") as [string, string?];
  const level = LEVELS.indexOf(above ?? own);
  const ownSuffices =
    ownIsolation(have) === own ||
    (LEVELS.includes(own) && levelOfOwn(ownIsolation(have)) >= LEVELS.indexOf(own));
  // Of one image, or of some that a digest says, nothing else suffices.
  return ownSuffices && level >= 0 && levelOf(have) >= Math.min(level, levelOfOwn(own));
}

/** The least of its own and all above it. */
function levelOf(isolation: Isolation): number {
  const [own, above] = isolation.split("/") as [string, string?];
  if (own === DATA) return CONTAINER;
  const level = levelOfOwn(own);
  return above !== undefined && LEVELS.includes(above) ? Math.min(level, LEVELS.indexOf(above)) : level;
}

function levelOfOwn(own: string): number {
  return own.startsWith("container:") ? CONTAINER : Math.max(0, LEVELS.indexOf(own));
}
