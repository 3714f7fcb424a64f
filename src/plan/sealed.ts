// Bytes that end with a digest of themselves, for whoever uses them to check: what a store keeps of a module or a plan.
import { hash } from "node:crypto";

const NOTE = /\n\/\/ alamode (\{[^\n]*\})\n$/;

/** `content` with a last line that holds its digest. */
export function sealed(content: Uint8Array, note: object = {}): Uint8Array {
  const line = JSON.stringify({ ...note, sha256: hash("sha256", content) });
  return Buffer.concat([content, Buffer.from(`\n// alamode ${line}\n`)]);
}

/** What was sealed, and its note; undefined where it is no longer that. */
export function unsealed(
  bytes: Buffer,
): { content: Buffer; note: Readonly<Record<string, unknown>> } | undefined {
  const [whole, line] = NOTE.exec(bytes.subarray(-65_536).toString("utf8")) ?? [];
  if (whole === undefined || line === undefined) return undefined;
  const content = bytes.subarray(0, bytes.length - Buffer.byteLength(whole));
  const note: Record<string, unknown> = JSON.parse(line);
  return note["sha256"] === hash("sha256", content) ? { content, note } : undefined;
}
