// A program, in whatever language, that prints a plan: bencoded, or as JSON.
import { spawn } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { dirname, extname } from "node:path";
import { text } from "node:stream/consumers";
import { AlamodeError, errnoOf } from "../errors.ts";
import { slotsOfDate } from "../plan/dates.ts";
import { twoDates } from "../plan/describe.ts";
import { planOfJson } from "../plan/json-plan.ts";
import { decodePlan } from "../plan/load.ts";
import { DAILY, openSchedule, type Slot, scheduleTexts } from "../plan/schedule.ts";
import type { Plan } from "../plan/types.ts";
import type { OpenPipeline } from "./load-pipeline.ts";

const LINES_SHOWN = 10;
const INTERPRETERS: Readonly<Record<string, string>> = {
  ".py": "python3",
  ".rb": "ruby",
  ".pl": "perl",
  ".sh": "bash",
  ".R": "Rscript",
  ".jl": "julia",
};

export interface ProgramRequest {
  readonly params: Readonly<Record<string, unknown>>;
  readonly date?: string;
  readonly now: number;
}

/** Whether the file may be executed. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The error for a file that is neither a module, nor a plan file, nor to be executed. */
export function notAProgram(shown: string): AlamodeError {
  return new AlamodeError(
    "not-executable",
    `${shown} is no module and no .dag file, and may not be executed`,
    {
      hint: `If it is a program that prints a plan:  chmod +x ${shown}`,
    },
  );
}

/**
 * Runs the program once for each slot. It finds what it was given in ALAMODE_PARAMS, a JSON map, with `date` where a date was asked
 * for. Throws `program-failed`, `not-a-plan`, and what reading the plan throws.
 */
export async function describeProgram(
  path: string,
  shown: string,
  request: ProgramRequest,
): Promise<OpenPipeline> {
  const { params: given, date, now } = request;
  if (date !== undefined && Object.hasOwn(given, "date")) throw twoDates("date");
  const params = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
  const plan = await planOfProgram(path, shown, params);
  const texts = scheduleTexts(plan.meta);
  const schedule = await openSchedule(texts ?? DAILY);
  const { slots, incomplete } =
    date === undefined ? { slots: [undefined], incomplete: 0 } : slotsOfDate(date, schedule, now);
  return {
    schedule: texts === undefined ? undefined : schedule,
    slots,
    incomplete,
    undated: false,
    nameOf: (slot) => schedule.nameOf(slot),
    params: undefined,
    async at(slot: Slot | undefined) {
      if (slot === undefined) return { plan, params };
      const dated = { ...params, date: schedule.nameOf(slot) };
      return { plan: await planOfProgram(path, shown, dated), params: dated };
    },
  };
}

async function planOfProgram(
  path: string,
  shown: string,
  params: Readonly<Record<string, string>>,
): Promise<Plan> {
  const child = spawn(path, [], {
    cwd: dirname(path),
    env: { ...process.env, ALAMODE_PARAMS: JSON.stringify(params) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", (error) => reject(notStarted(error, shown)));
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const [{ code, signal }, printed, said] = await Promise.all([
    ended,
    child.stdout.toArray().then((chunks) => Buffer.concat(chunks as Buffer[])),
    text(child.stderr),
  ]);
  if (code !== 0) {
    const lines = said.trimEnd().split("\n").slice(-LINES_SHOWN);
    const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
    throw new AlamodeError(
      "program-failed",
      [`${shown} ${how}`, ...lines.map((line) => `    ${line}`)].join("\n"),
      begun(path) ? {} : { hint: begin(path) },
    );
  }
  process.stderr.write(said);
  return planIn(printed, shown);
}

function planIn(printed: Buffer, shown: string): Plan {
  const [first] = printed.subarray(0, 1000).toString("latin1").trimStart();
  if (first === "d") return decodePlan(printed, shown);
  if (first === "{") return planOfJson(printed.toString("utf8"), shown);
  const begins = printed.subarray(0, 60).toString("utf8").split("\n")[0]!;
  const what = printed.length === 0 ? "nothing" : `neither bencode nor JSON; it begins: ${begins}`;
  throw new AlamodeError("not-a-plan", `${shown} printed ${what}`, {
    hint: `A plan goes to stdout, and nothing else:  {"meta": {}, "tasks": {"a": {"command": "…"}}, "deps": {"b": ["a"]}}`,
  });
}

/** Whether the file says by what it is to be read, or is no text. */
function begun(path: string): boolean {
  const start = readFileSync(path).subarray(0, 2);
  return start.toString("latin1") === "#!" || start.some((byte) => byte > 0x7e);
}

function begin(path: string): string {
  return `It is taken for a shell script. If it is not, begin it with the line  #!/usr/bin/env ${INTERPRETERS[extname(path)] ?? "python3"}`;
}

function notStarted(error: Error, shown: string): Error {
  const errno = errnoOf(error);
  if (errno !== "ENOENT" && errno !== "EACCES") return error;
  const hint = "Its first line has to name an interpreter that is there, as in  #!/usr/bin/env python3";
  return new AlamodeError("program-failed", `${shown} cannot be started (${errno})`, { hint, cause: error });
}
