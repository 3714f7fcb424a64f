// What a command finds when it starts, and what it must have left when it has ended.

import { hash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { inputFileName } from "../plan/input-name.ts";
import type { Failure } from "../record/types.ts";
import type { Making, Store } from "../store/types.ts";
import { environmentsAmong, placeLinks, withEnvironments } from "./environments.ts";
import type { InputLinks } from "./input-links.ts";
import { MODULE_FOLDER, stageModule } from "./module-staging.ts";
import type { Runnable } from "./runnable.ts";
import type { View } from "./sandbox/types.ts";
import { placeInputs } from "./slot.ts";
import { SQL_FOLDER, stageSql } from "./sql-staging.ts";

export interface Staged {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What is committed: a file or a folder. With `produces`, the folder that $OUTPUT lies in or is. */
  readonly top: string;
  /** What $OUTPUT means here, outside any sandbox; undefined where it is a name in the store, and no path. */
  readonly output: string | undefined;
  /** Names in the working directory that environments among the inputs brought. */
  readonly links: readonly string[];
}

export interface StagingRequest {
  readonly slot: string;
  readonly runnable: Runnable;
  /** What the store of its output wants it to find. */
  readonly making: Making;
  /** That has the sources. */
  readonly store: Store;
  readonly path: string;
  /** The slot's folders as the command will see them. */
  readonly view: View;
  /** How links are made for commands that see the machine as it is. */
  readonly inputLinks?: InputLinks | undefined;
  /** Whether the input of that name may be an environment; where it is not told, each is looked at. */
  readonly mayBring?: (name: string) => boolean;
  /** Variables passed through from the caller, by name. The spec's own win over these. */
  readonly passed: Readonly<Record<string, string>>;
}

/**
 * Fills a slot that is empty but for what was in `inputs`. Throws `source-missing` and `source-damaged` for code that is not as planned, `bad-environment` and
 * `wrong-platform` for an input that is an environment which cannot be used.
 */
export async function stageStep({
  slot,
  runnable,
  making,
  store,
  path,
  view,
  inputLinks,
  mayBring = () => true,
  passed,
}: StagingRequest): Promise<Staged> {
  const { inputs } = making;
  const cwd = `${slot}/work`;
  const top = topOf(slot);
  const paths = new Map(Object.entries(inputs).map(([name, path]) => [inputFileName(name), path]));
  await (inputLinks === undefined ? placeInputs(slot, paths) : inputLinks.place(slot, paths));
  for (const [file, sha256] of Object.entries(runnable.files)) {
    await copySource(store, sha256, file, join(cwd, file));
  }
  if (runnable.module !== undefined) {
    const names = new Map(Object.keys(inputs).map((name) => [name, inputFileName(name)]));
    await stageModule(store, runnable.module, names, cwd);
  }
  if (runnable.sql !== undefined) stageSql(runnable.sql, cwd);
  const brought = environmentsAmong(inputs, inputFileName, mayBring);
  const links = placeLinks(brought, cwd);
  let output = top;
  if (making.output === undefined && runnable.produces !== undefined) {
    mkdirSync(top, { mode: 0o755 });
    if (typeof runnable.produces === "string") {
      output = join(top, runnable.produces);
      mkdirSync(dirname(output), { recursive: true, mode: 0o755 });
    }
  }
  const own = {
    HOME: view.home,
    TMPDIR: view.tmp,
    LANG: "C.UTF-8",
    TZ: "UTC",
    ...passed,
    ...runnable.env,
    ...making.env,
    PATH: path,
    INPUTS: `${view.work}/inputs`,
    OUTPUT: making.output ?? view.out + output.slice(`${slot}/out`.length),
  };
  const env = withEnvironments(own, brought, own.INPUTS);
  return { cwd, env, top, output: making.output === undefined ? output : undefined, links };
}

/** Where in a slot an output of files is made. */
export function topOf(slot: string): string {
  return `${slot}/out/OUTPUT`;
}

/** Copies kept code into the working directory, and never bytes other than the plan names. */
async function copySource(store: Store, sha256: string, relative: string, to: string): Promise<void> {
  const from = await store.source(sha256);
  if (from === undefined) {
    throw new AlamodeError(
      "source-missing",
      `file "${relative}" (sha256 ${sha256.slice(0, 8)}) is not among the store's sources`,
      {
        hint: "Plan it again where the file is: alamode plan, or alamode run, with the same --store.",
      },
    );
  }
  const bytes = readFileSync(from);
  if (hash("sha256", bytes) !== sha256) {
    throw new AlamodeError(
      "source-damaged",
      `the kept copy of "${relative}" no longer has its sha256 ${sha256.slice(0, 8)}`,
      {
        facts: { copy: from },
        hint: "Remove that copy and plan again where the file is.",
      },
    );
  }
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  writeFileSync(to, bytes, { mode: 0o755 }); // a script may be called by name: modes are not part of a file's identity
}

/** What is missing after exit 0, told so that the author sees what went wrong; undefined when all is there. */
export function missingOutput({ top, output, cwd, links }: Staged, runnable: Runnable): Failure | undefined {
  if (output === undefined) return undefined; // its store looks for it
  const { produces } = runnable;
  const missing = (Array.isArray(produces) ? (produces as string[]) : [""]).filter(
    (name) => !exists(name ? join(output, name) : output),
  );
  if (missing.length === 0) return undefined;
  if (Array.isArray(produces)) {
    const there = names(top);
    return {
      kind: "no-output",
      message: `did not produce ${missing.join(", ")} (exit 0)`,
      hint:
        there.length > 0 ? `In $OUTPUT lies ${listed(there)}.` : "$OUTPUT, which is a folder here, is empty.",
    };
  }
  const beside =
    typeof produces === "string"
      ? names(dirname(output))
      : names(dirname(top)).filter((name) => name !== "OUTPUT");
  const known = new Set([
    "inputs",
    MODULE_FOLDER,
    SQL_FOLDER,
    ...links,
    ...Object.keys(runnable.files).map((path) => path.split("/")[0]!),
  ]);
  const strewn = names(cwd).filter((name) => !known.has(name));
  const message = "made nothing at $OUTPUT (exit 0)";
  if (beside.length > 0) {
    const [first] = beside;
    const extended = produces === undefined && beside.length === 1 && first!.startsWith("OUTPUT.");
    return {
      kind: "no-output",
      message: `${message}. Beside it lies ${listed(beside)}`,
      hint: extended
        ? `The program adds an extension. Say  produces: 'result${first!.slice("OUTPUT".length)}'  and write to $OUTPUT.`
        : "Write the result to the path in $OUTPUT.",
    };
  }
  if (strewn.length > 0) {
    return {
      kind: "no-output",
      message: `${message}. In its working directory lies ${listed(strewn)}`,
      hint: `Write to the path in $OUTPUT instead, or end with  mv ${strewn[0]} "$OUTPUT"`,
    };
  }
  return {
    kind: "no-output",
    message,
    hint: "The command must write a file or a folder to the path in $OUTPUT.",
  };
}

function listed(all: readonly string[]): string {
  return all.length <= 5 ? all.join(", ") : `${all.slice(0, 5).join(", ")} and ${all.length - 5} more`;
}

function names(folder: string): string[] {
  return exists(folder) && lstatSync(folder).isDirectory() ? readdirSync(folder).sort() : [];
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
