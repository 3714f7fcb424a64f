// What becomes of each link in a finished output: it stays, it is written anew so that it survives the move, its
// content takes its place, or the output is refused. Judges only; seal.ts acts.
import { realpathSync } from "node:fs";
import { dirname, posix } from "node:path";
import { errnoOf } from "../errors.ts";
import { badOutput, placeOf } from "./walk.ts";

/** Where an output lies and what it may point into; all absolute. */
export interface Surroundings {
  /** The output as its maker named it, and its real path. */
  readonly top: string;
  readonly realTop: string;
  /** Real paths of the declared inputs. */
  readonly inputs: readonly string[];
}

export type LinkFate =
  | { readonly kind: "stays" }
  | { readonly kind: "becomes"; readonly target: string }
  /** Its content, at this real path in an input, takes its place. */
  | { readonly kind: "copy"; readonly from: string };

/** Whether `path` is `folder` or lies below it. Both absolute and normal. */
export function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** The real path of what a link leads to; undefined where it dangles or goes in a circle. */
export function realTarget(place: string): string | undefined {
  try {
    return realpathSync.native(place);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * Judges the link at `path` (relative; "" for an output that is itself a link). A link stays as it is only in a form
 * that cannot leave the output wherever that lies: `..` in front alone, and not more of them than folders above it.
 * Throws `bad-output` for a link that leaves.
 */
export function judgeLink(path: string, target: string, surroundings: Surroundings): LinkFate {
  const { top, realTop, inputs } = surroundings;
  const real = realTarget(placeOf(top, path));
  if (real !== undefined && inputs.some((input) => isInside(input, real)))
    return { kind: "copy", from: real };
  if (path === "" || (real !== undefined && !isInside(realTop, real))) throw leaves(path, target, real);

  const home = path.split("/").slice(0, -1);
  const { names, winds, leavesTop } = followNames(home, target, surroundings);
  if (!target.startsWith("/") && !winds && !leavesTop) return { kind: "stays" };
  // By names it goes out and comes back in, or winds through other links: only the real path tells where it ends.
  if (real !== undefined && (leavesTop || winds)) {
    return { kind: "becomes", target: relativeTo(home, real.slice(realTop.length + 1)) };
  }
  if (leavesTop) throw leaves(path, target, real);
  return { kind: "becomes", target: relativeTo(home, names.join("/")) };
}

function relativeTo(home: readonly string[], path: string): string {
  return posix.relative(`/${home.join("/")}`, `/${path}`) || ".";
}

/**
 * Reads a target name by name from the folder `home`, without looking at the disk. It winds when it goes up after it
 * went down: if the name gone down was a link, the disk disagrees.
 */
function followNames(home: readonly string[], target: string, { top, realTop }: Surroundings) {
  let steps = target;
  const names = [...home];
  if (target.startsWith("/")) {
    const base = [top, realTop].find((folder) => isInside(folder, target));
    if (base === undefined) return { names, winds: false, leavesTop: true };
    steps = target.slice(base.length);
    names.length = 0;
  }
  let winds = false;
  let wentDown = false;
  for (const step of steps.split("/")) {
    if (step === "" || step === ".") continue;
    if (step !== "..") {
      names.push(step);
      wentDown = true;
    } else if (names.pop() === undefined) return { names, winds, leavesTop: true };
    else if (wentDown) winds = true;
  }
  return { names, winds, leavesTop: false };
}

function leaves(path: string, target: string, real: string | undefined) {
  const where = real === undefined ? "to nothing, outside of the output" : "out of the output";
  return badOutput(path, `it is a link that leads ${where}: ${target}`, {
    facts: { target, ...(real === undefined ? {} : { leadsTo: real }) },
    hint: "Copy what it leads to (`cp -L`), or declare it as an input of the task.",
  });
}

/** A folder of the output that was copied from an input: `to` is absolute, `from` a real path. */
export interface Copied {
  readonly from: string;
  readonly to: string;
}

/**
 * Judges a link inside a folder that is being copied from an input. `copied` holds that folder last, and before it
 * those whose links led there: what one of them has already is linked to, so that a circle of links ends.
 */
export function judgeCopiedLink(
  place: string,
  target: string,
  copied: readonly Copied[],
  to: string,
): LinkFate {
  const folder = copied.at(-1)!;
  const home = dirname(place)
    .slice(folder.from.length + 1)
    .split("/")
    .filter(Boolean);
  const within: Surroundings = { top: folder.from, realTop: folder.from, inputs: [] };
  const { winds, leavesTop } = followNames(home, target, within);
  if (!target.startsWith("/") && !winds && !leavesTop) return { kind: "stays" };
  const real = realTarget(place);
  if (real === undefined) throw leaves(place, target, real);
  const holder = copied.findLast(({ from }) => isInside(from, real));
  if (holder === undefined) return { kind: "copy", from: real };
  return { kind: "becomes", target: posix.relative(dirname(to), holder.to + real.slice(holder.from.length)) };
}
