// How an error looks: what happened, where (facts, aligned), and the way out; and the exit code it ends with.
import { styleText } from "node:util";
import { jsonLine } from "../bencode/as-json.ts";
import { AlamodeError, errnoOf, isAlamodeError } from "../errors.ts";
import { systemError } from "../store/system-error.ts";
import { indent, table } from "./format.ts";

/** 1: a task failed, or a difference was found. 2: the request or the plan is wrong. 70: an error of this program. */
export const EXIT = { done: 0, failed: 1, wrong: 2, bug: 70, interrupted: 130 } as const;

/** The lines for people, without a line end. `paint` colours the message. */
export function errorText(error: AlamodeError, paint: (text: string) => string = (text) => text): string {
  const lines = error.message.split("\n").map((line, i) => (i === 0 ? paint(line) : line));
  const facts = Object.entries(error.facts)
    .map(([name, value]) => [name, String(value)] as const)
    .filter(([, value]) => !isSaid(value, error.message));
  for (const row of table(facts)) lines.push(indent(row, 2));
  if (error.hint !== undefined) lines.push(indent(error.hint, 2));
  return lines.join("\n");
}

/** Whether the message has the value as a whole: a 1 is not said by 127.0.0.1. */
function isSaid(value: string, message: string): boolean {
  if (value === "") return true;
  const text = value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\w./-])${text}(?![\\w/-]|\\.\\w)`).test(message);
}

/** The same as one JSON object. */
export function errorJson(error: AlamodeError): string {
  const { code, message, facts, hint } = error;
  return jsonLine({ event: "error", code, message, facts, ...(hint === undefined ? {} : { hint }) });
}

/** An error that this program did not mean to happen. */
export function bugText(error: unknown, debug: boolean): string {
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : said;
  return debug
    ? `alamode met an error of its own:\n${indent(stack, 4)}\n  Please report this, with what you ran.`
    : `alamode met an error of its own: ${said}\n  Please report this, with what you ran and what ALAMODE_DEBUG=1 shows.`;
}

/** Tells the error on stderr, and on stdout too where JSON was asked for. Returns the exit code. */
export function tell(error: unknown, json: boolean): number {
  const ours = asOurs(error);
  const debug = Boolean(process.env.ALAMODE_DEBUG);
  if (ours === undefined) {
    process.stderr.write(`${bugText(error, debug)}\n`);
    const message = error instanceof Error ? error.message : String(error);
    if (json) process.stdout.write(`${jsonLine({ event: "error", code: "bug", message })}\n`);
    return EXIT.bug;
  }
  const paint = (text: string) => styleText("red", text, { stream: process.stderr });
  process.stderr.write(`${errorText(ours, paint)}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${indent(error.stack ?? "", 4)}\n`);
  if (json) process.stdout.write(`${errorJson(ours)}\n`);
  return EXIT.wrong;
}

/** Errors of the system (a folder that may not be written, a full disk) are the caller's matter, not bugs. */
function asOurs(error: unknown): AlamodeError | undefined {
  if (isAlamodeError(error)) return error;
  const errno = errnoOf(error);
  if (errno === undefined || !(error instanceof Error)) return undefined;
  const told = systemError(error, "alamode");
  if (told instanceof AlamodeError && told.hint !== undefined) return told;
  return new AlamodeError(`system-${errno}`, error.message, { cause: error });
}
