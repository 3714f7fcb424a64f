// What `-p` and `--params` give a pipeline. Which of it the pipeline knows is for the pipeline to say.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import { type ParsedJson, parseJson } from "../plan/json-parse.ts";
import { shellWord } from "./format.ts";

/** The flags that say what a pipeline is described with. */
export interface ParamFlags {
  /** `k=4`, `fast`. */
  readonly param?: readonly string[];
  /** Path of a JSON file. */
  readonly params?: string;
  readonly date?: string;
}

/** Parameter → text, or the value of the JSON file. `-p` wins over the file, a later one over an earlier. Throws `bad-params`. */
export function givenParams({ param = [], params }: ParamFlags, cwd: string): Record<string, ParsedJson> {
  const given: Record<string, ParsedJson> = Object.create(null);
  if (params !== undefined) Object.assign(given, fileParams(params, cwd));
  for (const one of param) {
    const at = one.indexOf("=");
    if (at === 0)
      throw new AlamodeError("bad-params", `-p ${one}: it has no name`, { hint: "Write  -p k=4" });
    given[at === -1 ? one : one.slice(0, at)] = at === -1 ? true : one.slice(at + 1);
  }
  return given;
}

function fileParams(file: string, cwd: string): { readonly [name: string]: ParsedJson } {
  let found: ParsedJson;
  try {
    found = parseJson(readFileSync(resolve(cwd, file), "utf8"));
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const why = errnoOf(error) === "ENOENT" ? "there is no such file." : said;
    throw new AlamodeError("bad-params", `--params ${file}: ${why}`, {
      hint: `It has to be a JSON file, such as  {"k": 4}`,
      cause: error,
    });
  }
  if (typeof found === "object" && found !== null && !Array.isArray(found))
    return found as { readonly [name: string]: ParsedJson };
  throw new AlamodeError("bad-params", `--params ${file}: a map is needed`, { hint: `Write e.g.  {"k": 4}` });
}

/** The same flags, to be repeated in commands that are shown, each with a blank after it. */
export function paramFlags({ param = [], params, date }: ParamFlags): string {
  const flags = [
    ...param.map((one) => ["-p", one]),
    ...(params === undefined ? [] : [["--params", params]]),
    ...(date === undefined ? [] : [["--date", date]]),
  ];
  return flags.map(([flag, value = ""]) => `${flag} ${shellWord(value)} `).join("");
}
