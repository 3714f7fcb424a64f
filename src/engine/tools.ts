// Programs whose versions a spec names are asked again where the step runs, by a shell in front of its command: so in the same
// sandbox, on the same machine, with the same PATH, whoever executes it.
import type { Bnormal } from "../bencode/types.ts";
import type { ToolVersion } from "../plan/tool.ts";
import type { Failure } from "../record/types.ts";

/** Exit code of the shell when a program says something else. Its last lines tell which, and what it says. */
const DIFFERS = 97;

// Arguments: how many tools; for each its number of words, what it is to say, and the words; then the command.
const SCRIPT = `tools=$1; shift; i=0
while [ "$i" -lt "$tools" ]; do
  count=$1; says=$2; shift 2; n=1; words=
  while [ "$n" -le "$count" ]; do words="$words \\"\\\${$n}\\""; n=$((n + 1)); done
  found=$(eval "$words" </dev/null 2>&1); code=$?
  if [ "$code" != 0 ] || [ "$found" != "$says" ]; then
    printf 'alamode: tool %s (exit %s) says:\\n%s\\n' "$i" "$code" "$found" >&2
    exit ${DIFFERS}
  fi
  shift "$count"; i=$((i + 1))
done
exec "$@"`;

/** The command with the check before it; as it is where there is nothing to check. */
export function checkedArgv(tools: readonly ToolVersion[], argv: readonly string[]): readonly string[] {
  if (tools.length === 0) return argv;
  const checks = tools.flatMap(({ command, says }) => [String(command.length), says, ...command]);
  return ["/bin/sh", "-c", SCRIPT, "sh", String(tools.length), ...checks, ...argv];
}

/** The failure of a step whose check found another version; undefined for anything else. `tail`: the last lines of its log. */
export function toolFailure(
  tools: readonly ToolVersion[],
  exitCode: number,
  tail: readonly string[],
): Failure | undefined {
  if (exitCode !== DIFFERS || tools.length === 0) return undefined;
  const at = tail.findLastIndex((line) => /^alamode: tool \d+ \(exit \d+\) says:$/.test(line));
  const [, index, code] = /^alamode: tool (\d+) \(exit (\d+)\)/.exec(tail[at] ?? "") ?? [];
  const tool = tools[Number(index)];
  if (tool === undefined) return undefined;
  const here = tail.slice(at + 1);
  const planned = tool.says.split("\n");
  const first = Math.max(
    0,
    planned.findIndex((line, i) => line !== here[i]),
  );
  const called = tool.command.join(" ");
  const said =
    code === "127" || code === "126"
      ? `there is no ${tool.command[0]} where this step runs`
      : code === "0"
        ? `${called} says ${JSON.stringify(here[first] ?? "")} where this step runs`
        : `${called} ended with exit code ${code} where this step runs`;
  return {
    kind: "tool-changed",
    exitCode,
    message: `${said}, and said ${JSON.stringify(planned[first])} where the pipeline was described`,
    hint: "Install that version there; or describe the pipeline where it runs, which makes what depends on it anew.",
  };
}

const NONE: readonly ToolVersion[] = Object.freeze([]);

/** Reads `spec.tools`: a list of what `tool` gives, or one. Tells of what is not. */
export function toolsOf(
  value: Bnormal | undefined,
  problem: (key: string, what: string) => void,
): readonly ToolVersion[] {
  if (value === undefined) return NONE;
  const all = Array.isArray(value) ? value : [value];
  if (all.every(isTool)) return all;
  problem("tools", "must be a list of programs and what they say: write it with tool()");
  return NONE;
}

function isTool(value: Bnormal): value is Bnormal & ToolVersion {
  if (typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array) return false;
  const { command, says } = value as { readonly [key: string]: Bnormal };
  return (
    Array.isArray(command) &&
    command.length > 0 &&
    [...command, says].every((word) => typeof word === "string" && !word.includes("\0")) &&
    command[0] !== ""
  );
}
