// Folders and files for the tests of stores, made in a folder of the test's own that goes with it.
import { hash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import type { OutputId } from "../../src/plan/types.ts";
import { removeTree } from "../../src/store/remove.ts";
import type { Tree } from "../../src/store/types.ts";

/** A new folder, removed after the test. */
export function scratch(t: Pick<TestContext, "after">): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-store-")));
  t.after(() => removeTree(dir));
  return dir;
}

/** What lies at a path: text or bytes for a file, null for an empty folder, `{ link }`, or `{ run }` for an executable. */
export type Thing = string | Uint8Array | null | { readonly link: string } | { readonly run: string };

/** Makes things below the folder `top`, which is made too. Returns `top`. */
export function build(top: string, things: Readonly<Record<string, Thing>>): string {
  mkdirSync(top, { recursive: true });
  for (const [path, thing] of Object.entries(things)) put(`${top}/${path}`, thing);
  return top;
}

function put(place: string, thing: Thing): void {
  mkdirSync(dirname(place), { recursive: true });
  if (thing === null) mkdirSync(place);
  else if (typeof thing === "string" || thing instanceof Uint8Array) writeFileSync(place, thing);
  else if ("link" in thing) symlinkSync(thing.link, place);
  else {
    writeFileSync(place, thing.run);
    chmodSync(place, 0o755);
  }
}

/** The tree of a lone file with that text. */
export function textTree(text: string): Tree {
  const sha256 = hash("sha256", text);
  return new Map([["", { kind: "file", size: Buffer.byteLength(text), sha256, executable: false }]]);
}

/** An output's ID, made of one hex digit. */
export function outputId(digit: string): OutputId {
  return digit.repeat(64) as OutputId;
}

/** Runs `act` under a umask and restores the one before. */
export function withUmask<T>(mask: number, act: () => T): T {
  const before = process.umask(mask);
  try {
    return act();
  } finally {
    process.umask(before);
  }
}
