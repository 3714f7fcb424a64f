// Decimal numbers as text, one text for each number: what a spec can hold where a float was meant.

/** More digits than this before or after the point are refused rather than written out. */
const MOST_ZEROS = 400;

/** `0.050`, `5e-2`, `.05` and the number 0.05 are all `0.05`; undefined for what is no number. */
export function decimalText(given: unknown): string | undefined {
  const text = typeof given === "number" ? String(given) : given;
  if (typeof text !== "string") return undefined;
  const [whole, sign = "", integer = "", fraction = "", power = "0"] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text) ?? [];
  if (whole === undefined || integer + fraction === "") return undefined;
  const exponent = Number(power);
  if (Math.abs(exponent) > MOST_ZEROS) return undefined;
  const digits = "0".repeat(Math.max(0, -exponent)) + integer + fraction + "0".repeat(Math.max(0, exponent));
  const point = Math.max(0, -exponent) + integer.length + exponent;
  const before = digits.slice(0, point).replace(/^0+/, "") || "0";
  const after = digits.slice(point).replace(/0+$/, "");
  const number = after === "" ? before : `${before}.${after}`;
  return sign === "-" && number !== "0" ? `-${number}` : number;
}
