// The forms in which a secret is looked for: as it is, line by line, in base64 wherever it stands in what was encoded, in URLs and
// in JSON.

/** A value or form of fewer bytes is too common to be looked for. */
export const SHORTEST_BYTES = 8;

/** All forms of a value that are long enough, each once. Empty for a short value. */
export function formsOf(value: string): string[] {
  const forms = new Set<string>();
  const lines = value.split(/\r?\n/);
  for (const text of lines.length > 1 ? [value, ...lines, value.trim()] : [value]) {
    if (Buffer.byteLength(text) < SHORTEST_BYTES) continue;
    forms.add(text);
    for (const form of base64Forms(Buffer.from(text))) forms.add(form);
    for (const form of urlForms(text)) forms.add(form);
    forms.add(JSON.stringify(text).slice(1, -1));
  }
  return [...forms].filter((form) => Buffer.byteLength(form) >= SHORTEST_BYTES);
}

/**
 * What of the base64 of anything that holds these bytes is theirs alone: three texts, by how many bytes stand before them
 * (modulo 3), in both alphabets. A character at either end that also holds bits of a neighbour is left out.
 */
function* base64Forms(bytes: Buffer): Generator<string> {
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const form = encoded.slice(Math.ceil((8 * before) / 6), Math.floor((8 * (before + bytes.length)) / 6));
    yield form;
    yield form.replaceAll("+", "-").replaceAll("/", "_");
  }
}

/** As JavaScript, Python and forms write it; hexadecimal digits of either case. */
function* urlForms(text: string): Generator<string> {
  const strict = [...Buffer.from(text)]
    .map((byte) =>
      /[A-Za-z0-9_.~-]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("");
  const lenient = strict.replace(/%(21|27|28|29|2A)/g, decodeURIComponent);
  const inForm = new URLSearchParams({ "": text }).toString().slice(1);
  yield inForm;
  yield inForm.replace(/%../g, (hex) => hex.toLowerCase());
  for (const form of [strict, lenient, strict.replaceAll("%2F", "/"), lenient.replaceAll("%2F", "/")]) {
    for (const cased of [form, form.replace(/%../g, (hex) => hex.toLowerCase())]) {
      yield cased;
      yield cased.replaceAll("%20", "+");
    }
  }
}
