// A plan as people read it: names before IDs, IDs by eight digits.
import type { Bnormal } from "../bencode/types.ts";
import { type Plan, specOf } from "./types.ts";

/** Several lines, without the last line's end. Give it to console.log. */
export function pp(plan: Plan): string {
  const blocks: string[] = [];
  const meta = rows(plan.meta);
  if (meta.length > 0) blocks.push(["meta", ...indented(meta)].join("\n"));
  for (const name of Object.keys(plan.tasks)) {
    const task = plan.tasks[name]!;
    const inputs = Object.entries(task.inputs).map(
      ([dependency, output]) => `${shown(dependency)} ${output.slice(0, 8)}`,
    );
    const lines = rows(specOf(task));
    if (inputs.length > 0) lines.push(["inputs", inputs.join(", ")]);
    blocks.push([`${shown(name)}  ${task.output.slice(0, 8)}`, ...indented(lines)].join("\n"));
  }
  return blocks.join("\n\n");
}

function rows(map: { readonly [key: string]: Bnormal }): [key: string, value: string][] {
  return Object.entries(map).map(([key, value]) => [shown(key), shown(value)]);
}

function indented(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `  ${key.padEnd(width)}  ${value}`);
}

/** Text as it is where that cannot be misread, else quoted; bytes in hexadecimal. */
function shown(value: Bnormal): string {
  if (typeof value === "string")
    return /^[^\s"[\]{},](?:.*\S)?$/u.test(value) ? value : JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  if (value instanceof Uint8Array) return `<${Buffer.from(value).toString("hex")}>`;
  if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${shown(key)}: ${shown(inner)}`)
    .join(", ")} }`.replace(/^\{ {2}\}$/, "{}");
}
