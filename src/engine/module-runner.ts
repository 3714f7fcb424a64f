// The program of a step that is a function: it lies beside the module's bundle in the step's folder, calls the function,
// and leaves with 0 when that is done. It is copied there by itself, so it imports nothing but Node's own.
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { format, inspect } from "node:util";

type Transported =
  | string
  | number
  | boolean
  | null
  | { list: Transported[] }
  | { map: [string, Transported][] };

interface Call {
  readonly export: string;
  readonly args: Transported;
  /** Dependency name and file name below $INPUTS. */
  readonly inputs: readonly (readonly [string, string])[];
  /** What `a-la-mode` means: URL of the library that runs the step. */
  readonly library: string;
  /** 64 hex: the module's identity. */
  readonly module: string;
  /** The dependency that has its packages, where it has any that are not bundled. */
  readonly packages?: string;
  /** Where the task has `expand`: URL of what writes the dag that the function returns. */
  readonly expansion?: string;
}

/** What that writer exports. */
interface Expansion {
  writeExpansion(returned: unknown, path: string): Promise<void>;
  inputTasks(inputIds: string): Record<string, unknown>;
}

/** So long what a function left running may go on by itself. */
const GRACE_MS = 1000;
/** What is still written then is looked after that often. */
const LOOK_MS = 50;

const here = import.meta.dirname;
const bundle = pathToFileURL(join(here, "module.mjs")).href;
const call: Call = JSON.parse(readFileSync(join(here, "call.json"), "utf8"));
let settled = false;
let stopping: AbortController | undefined;

process.on("uncaughtException", (error) => {
  console.error(readable(error));
  process.exit(1);
});
process.on("exit", (code) => {
  if (settled || (code !== 0 && code !== 13)) return;
  const how =
    code === 0
      ? "it ended the process before it was done"
      : "what it returned was never settled, and nothing is left that could settle it";
  console.error(`the function "${call.export}" has not finished: ${how}.`);
  process.exitCode = 1;
});

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "a-la-mode" ? { url: call.library, shortCircuit: true } : next(specifier, context),
});
// CommonJS packages in the bundle look for Node's own modules by it.
Object.assign(globalThis, { require: createRequire(bundle) });

const loaded = await import(bundle);
const exported: unknown = loaded[call.export];
if (typeof exported !== "function") throw new TypeError(`the export "${call.export}" is no function`);
const expansion: Expansion | undefined = call.expansion && (await import(call.expansion));
const { [call.packages ?? ""]: packages, ...tasks } = expansion?.inputTasks(process.env["INPUT_IDS"]!) ?? {};
const running = { module: call.module, exports: Object.keys(loaded), ...(call.packages ? { packages } : {}) };
Object.assign(globalThis, { [Symbol.for("a-la-mode.running-module")]: running });
const returned: unknown = await exported({
  inputs: known(mapOf(call.inputs.map(([name, file]) => [name, join(process.env["INPUTS"]!, file)]))),
  output: process.env["OUTPUT"],
  args: received(call.args),
  log: (...values: unknown[]) => process.stderr.write(`${format(...values)}\n`),
  get signal() {
    return stopSignal();
  },
  tasks,
});
if (expansion !== undefined) await expansion.writeExpansion(returned, process.env["OUTPUT"]!);
else if (typeof returned === "object" && returned !== null && Symbol.for("a-la-mode.dag") in returned)
  throw new TypeError(`the function "${call.export}" returned a dag: its task has to say  expand: 1`);
settled = true;
// What still goes on has its chance to end by itself, and to fail; whatever would go on for ever does not keep the step.
setTimeout(leave, GRACE_MS).unref();

/** Ends the process, once nothing it makes is still being written. */
function leave(): void {
  const left = [...new Set(process.getActiveResourcesInfo())];
  if (left.some((kind) => kind.startsWith("FSReq")) || writesOutput()) {
    setTimeout(leave, LOOK_MS).unref();
    return;
  }
  console.error(
    `the function "${call.export}" is done, and was ended with what it left running: ${left.join(", ")}`,
  );
  process.exit();
}

/** Whether the output, or a file in it, is open for writing. Known on Linux alone. */
function writesOutput(): boolean {
  if (process.platform !== "linux") return false;
  const output = realpathSync(dirname(process.env["OUTPUT"]!));
  return readdirSync("/proc/self/fd").some((fd) => {
    try {
      const flags = Number.parseInt(
        /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1]!,
        8,
      );
      return (flags & 3) !== 0 && readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${output}/`);
    } catch {
      return false; // the one that the folder was read by
    }
  });
}

/** Only who asks for it hears of TERM: others are ended by it, as programs are. */
function stopSignal(): AbortSignal {
  if (stopping === undefined) {
    const controller = new AbortController();
    stopping = controller;
    process.once("SIGTERM", () => {
      controller.abort(new DOMException("the task was stopped", "AbortError"));
    });
  }
  return stopping.signal;
}

/** JSON whose maps travel as lists: Node's parser gives wrong keys where one is escaped. */
function received(value: Transported): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("list" in value) return value.list.map(received);
  return mapOf(value.map.map(([key, inner]) => [key, received(inner)]));
}

/** Every key is an ordinary one, `__proto__` too. */
function mapOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  for (const [key, value] of entries) {
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return map;
}

/** A misspelt dependency is an error that names those there are, not undefined. What any object may be asked for is not. */
function known(inputs: Record<string, unknown>): Record<string, unknown> {
  return new Proxy(inputs, {
    get(target, name) {
      if (typeof name === "symbol" || Object.hasOwn(target, name)) return Reflect.get(target, name);
      if (name in Object.prototype || ["then", "toJSON", "inspect"].includes(name))
        return Reflect.get(target, name);
      const there = Object.keys(target).join(", ");
      throw new ReferenceError(`there is no input "${name}": this task depends on ${there || "nothing"}`);
    },
  });
}

/** An error with its stack, in which the author's files are named by their paths in their package. */
function readable(error: unknown): string {
  const text = error instanceof Error ? inspect(error) : `threw ${inspect(error)}`;
  const folder = fileURLToPath(new URL(".", bundle));
  const work = fileURLToPath(new URL("..", bundle));
  return text
    .replaceAll(new URL(".", bundle).href, "")
    .replaceAll(folder, "")
    .replaceAll(new URL("..", bundle).href, "../")
    .replaceAll(work, "../")
    .replaceAll(/\n {4}at [^\n]*\brunner\.m[jt]s:\d+:\d+\)?(?=\n|$)/g, "");
}
