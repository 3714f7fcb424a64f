// Draws each photograph in ink: dark where brightness changes quickly (Sobel), paper everywhere else.
import { developAll, sharp } from "./photographs.mts";

const across = [-1, 0, 1, -2, 0, 2, -1, 0, 1];
const down = [-1, -2, -1, 0, 0, 0, 1, 2, 1];

await developAll(async (photograph) => {
  const horizontal = await slopes(photograph, across);
  const vertical = await slopes(photograph, down);
  const ink = drawn(horizontal.data.map((value, at) => Math.hypot(value - 128, vertical.data[at]! - 128)));
  const { width, height } = horizontal.info;
  return sharp(ink, { raw: { width, height, channels: 1 } })
    .jpeg({ quality: 92 })
    .toBuffer();
});

/** One byte per pixel, rows from the top: 128 where brightness does not change in the kernel's direction. */
function slopes(photograph: string, kernel: number[]) {
  return sharp(photograph)
    .greyscale()
    .blur(1.1) // the grain of an old print is no edge
    .convolve({ width: 3, height: 3, kernel, scale: 4, offset: 128 })
    .raw()
    .toBuffer({ resolveWithObject: true });
}

/** Strengths of edges (0 to 181) as ink: the weaker half of the pixels stays white, the strongest thirtieth is black. */
function drawn(strengths: Uint8Array): Uint8Array {
  const sorted = strengths.toSorted();
  const none = sorted[Math.floor(sorted.length / 2)]! + 1;
  const full = Math.max(none + 1, sorted[Math.floor((sorted.length * 29) / 30)]!);
  return strengths.map((strength) => 255 - 255 * Math.min(1, Math.max(0, (strength - none) / (full - none))));
}
