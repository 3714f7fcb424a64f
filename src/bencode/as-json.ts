// JSON as `--json` prints it. What JSON has no form for is decided here, once: an integer beyond 2^53 is
// {"$int": "<decimal>"}, bytes that are not text are {"$bytes": "<base64>"}.

/** One line. Maps become objects, in their order. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, plain);
}

/** One document for people and programs: indented. */
export function jsonDocument(value: unknown): string {
  return JSON.stringify(value, plain, 2);
}

/** A replacer. It reads the value from its owner: a Buffer's own `toJSON` has been at the second argument already. */
function plain(this: unknown, key: string, value: unknown): unknown {
  const raw: unknown = (this as Record<string, unknown>)[key];
  if (typeof raw === "bigint") return { $int: raw.toString() };
  if (raw instanceof Uint8Array) return { $bytes: Buffer.from(raw).toString("base64") };
  if (raw instanceof Map) return Object.fromEntries(raw);
  return value;
}
