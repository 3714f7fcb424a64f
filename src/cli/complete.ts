// What may come next on a command line that is being typed, for shells to show. Commands, options and arguments are what
// program.ts declares; an argument's name says what it stands for.
import type { Command, Option } from "commander";
import { type CommonOptions, contextOf, withExisting } from "./context.ts";
import { date } from "./format.ts";
import { loadPipeline, openPipeline } from "./load-pipeline.ts";

/** `:files` alone asks the shell for its own completion of paths. */
export interface Candidate {
  readonly value: string;
  readonly about?: string;
}

export const FILES: Candidate = { value: ":files" };

const SHELLS = ["bash", "zsh", "fish"];
const RUNS = 20;
/** Arguments that may be a file as well. */
const FILE_TOO: ReadonlySet<string> = new Set(["old", "new"]);

/** What can follow. The last of `words` is the one at the cursor, as far as it is typed; the program's name is not among them. */
export async function complete(program: Command, words: readonly string[]): Promise<readonly Candidate[]> {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const at = before.findIndex((word) => !word.startsWith("-"));
  if (at === -1) {
    const commands = visible(program).map((command) => ({ value: command.name(), about: command.summary() }));
    return fitting(typed.startsWith("-") ? optionsOf(program, []) : commands, typed);
  }
  const command = program.commands.find((one) => one.name() === before[at]);
  if (command === undefined) return [];
  const line = read(command, before.slice(at + 1));
  const [, option, begun] = /^(--[\w-]+)=(.*)$/s.exec(typed) ?? [];
  if (option !== undefined) {
    const found = await valuesOf(
      program,
      command.options.find(({ long }) => long === option)?.name() ?? "",
      line,
    );
    if (found.includes(FILES)) return [FILES];
    return fitting(found, begun ?? "").map(({ value, about }) => ({
      value: `${option}=${value}`,
      ...(about === undefined ? {} : { about }),
    }));
  }
  if (line.pending !== undefined) return fitting(await valuesOf(program, line.pending, line), typed);
  if (typed.startsWith("-") && !line.onlyArguments) return fitting(optionsOf(command, before), typed);
  const { registeredArguments } = command;
  const argument = registeredArguments[line.arguments] ?? registeredArguments.at(-1);
  if (argument === undefined || (line.arguments >= registeredArguments.length && !argument.variadic))
    return [];
  const found = fitting(await valuesOf(program, argument.name(), line), typed);
  return found.length === 0 && FILE_TOO.has(argument.name()) ? [FILES] : found;
}

interface Line {
  /** How many arguments are there already. */
  readonly arguments: number;
  /** Name of the option whose value comes next. */
  readonly pending?: string;
  /** After `--`. */
  readonly onlyArguments: boolean;
  /** Which pipeline, store and record the line names so far. */
  readonly options: CommonOptions;
}

function read(command: Command, words: readonly string[]): Line {
  const options: Record<string, string | string[]> = {};
  const set = (option: Option, value: string) => {
    const before = options[option.attributeName()];
    // What may be said again is a list, as Commander has it.
    options[option.attributeName()] = option.attributeName() === "param" ? [...(before ?? []), value] : value;
  };
  let given = 0;
  let pending: Option | undefined;
  let onlyArguments = false;
  for (const word of words) {
    const [name = word, value] = word.startsWith("--") ? word.split(/=(.*)/s) : [word];
    if (pending !== undefined) {
      set(pending, word);
      pending = undefined;
    } else if (onlyArguments || !word.startsWith("-")) given++;
    else if (word === "--") onlyArguments = true;
    else {
      const option = command.options.find(({ short, long }) => name === short || name === long);
      if (option?.required && value === undefined) pending = option;
      else if (option !== undefined && value !== undefined) set(option, value);
    }
  }
  return {
    arguments: given,
    ...(pending === undefined ? {} : { pending: pending.name() }),
    onlyArguments,
    options,
  };
}

/** What an argument or the value of an option of that name can be. */
async function valuesOf(program: Command, name: string, line: Line): Promise<readonly Candidate[]> {
  switch (name) {
    case "tasks":
    case "task":
      return await tasks(line.options, name === "tasks");
    case "what":
      return [...(await tasks(line.options, false)), ...(await runs(line.options))];
    case "old":
    case "new":
      return await runs(line.options);
    case "dir":
    case "dest":
    case "file":
    case "output":
    case "store":
    case "record":
    case "params":
      return [FILES];
    case "param":
      return await params(line.options);
    case "sandbox":
      return ["none", "bubblewrap"].map((value) => ({ value }));
    case "from":
      return Object.keys((await import("./commands/init.ts")).EXAMPLES).map((value) => ({ value }));
    case "shell":
      return SHELLS.map((value) => ({ value }));
    case "command":
      return visible(program).map((command) => ({ value: command.name(), about: command.summary() }));
    default:
      return [];
  }
}

/** Names of tasks, and where patterns are taken those of families: `align/*`. None where the pipeline cannot be loaded. */
async function tasks(options: CommonOptions, patterns: boolean): Promise<Candidate[]> {
  try {
    const { plan } = await loadPipeline(await contextOf(options));
    const names = Object.keys(plan.tasks);
    const families = new Map<string, number>();
    for (const name of names) {
      const family = name.slice(0, name.lastIndexOf("/") + 1);
      if (family !== "") families.set(family, (families.get(family) ?? 0) + 1);
    }
    return [
      ...(patterns ? [...families].filter(([, size]) => size > 1) : []).map(([family, size]) => ({
        value: `${family}*`,
        about: `${size} tasks`,
      })),
      ...names.map((value) => ({ value })),
    ];
  } catch {
    return []; // the command itself tells why
  }
}

/** What `-p` takes: `k=`. */
async function params(options: CommonOptions): Promise<Candidate[]> {
  try {
    const { params: known = {} } = await openPipeline(await contextOf(options));
    return Object.entries(known).map(([name, { takes }]) => ({ value: `${name}=`, about: takes }));
  } catch {
    return [];
  }
}

async function runs(options: CommonOptions): Promise<Candidate[]> {
  try {
    return await withExisting(await contextOf(options), async ({ record }) =>
      (await record.runs(RUNS)).map(({ number, startedAt, pipeline, note }) => ({
        value: `${number}`,
        about: [date(startedAt, Date.now()), pipeline, note].join("  ").trimEnd(),
      })),
    );
  } catch {
    return [];
  }
}

/** Long names of the options that are not on the line yet. */
function optionsOf(command: Command, before: readonly string[]): Candidate[] {
  const { visibleOptions } = command.createHelp();
  return visibleOptions
    .call(command.createHelp(), command)
    .filter(({ short, long }) => !before.some((word) => word === short || word.split("=")[0] === long))
    .map(({ long, description }) => ({ value: long ?? "", about: description }));
}

function visible(program: Command): Command[] {
  return [...program.createHelp().visibleCommands(program)];
}

/** Names that hold a line's end or a tab cannot be told to a shell. */
function fitting(candidates: readonly Candidate[], typed: string): readonly Candidate[] {
  return candidates.filter(
    (candidate) =>
      candidate === FILES || (candidate.value.startsWith(typed) && !/[\n\t]/.test(candidate.value)),
  );
}

/** The words of a line in a shell of the Bourne kind, up to the cursor: quotes and backslashes undone. */
export function wordsOf(line: string): string[] {
  const words = [""];
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!;
    if (quote !== "" && char === quote) quote = "";
    else if (char === "\\" && quote !== "'") words[words.length - 1] += line[++i] ?? "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (quote === "" && /\s/.test(char)) {
      if (i > 0 && !/\s/.test(line[i - 1]!)) words.push("");
    } else words[words.length - 1] += char;
  }
  return words;
}
