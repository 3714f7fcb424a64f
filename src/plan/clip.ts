// Text that fits.

/** One line, at most `width` columns, cut with an ellipsis. */
export function clip(text: string, width: number): string {
  const line = text.replace(/\s*[\r\n]\s*/g, " ");
  const points = [...line];
  return points.length <= width ? line : `${points.slice(0, Math.max(0, width - 1)).join("")}…`;
}
