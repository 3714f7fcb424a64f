// Prints one sheet: the blurred photograph is the wash of colour, the edges are the ink drawn over it.
import { join } from "node:path";
import { sharp, variable } from "./photographs.mts";

type Colour = readonly [red: number, green: number, blue: number];

/** Where one photograph goes on the sheet, in pixels, and the colour of its shadows. */
interface Tile {
  readonly name: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly shade: Colour;
}

const sheet = { width: 1600, height: 1052, background: { r: 231, g: 224, b: 211 } };
const paper: Colour = [251, 248, 240];
const margin = 48;
const gap = 24;

// Two tall plates, three panoramas between them, four landscapes below.
const tall = { width: 516, height: 662 };
const wide = { width: 424, height: 204 };
const small = { width: 358, height: 270 };
const between = margin + tall.width + gap;
const below = margin + tall.height + gap;

const tiles: readonly Tile[] = [
  { name: "acanthus-mollis", left: margin, top: margin, ...tall, shade: [110, 40, 28] },
  { name: "french-alpine-landscape", left: between, top: margin, ...wide, shade: [18, 62, 66] },
  { name: "locomotion-house-cat", left: between, top: margin + 229, ...wide, shade: [104, 62, 16] },
  { name: "march-pastoral", left: between, top: margin + 458, ...wide, shade: [52, 62, 20] },
  { name: "allium-oreophilum", left: between + wide.width + gap, top: margin, ...tall, shade: [36, 66, 46] },
  { name: "black-canyon", left: margin, top: below, ...small, shade: [116, 34, 24] },
  { name: "dust-bowl-home", left: margin + 382, top: below, ...small, shade: [36, 50, 96] },
  { name: "airplane-from-above", left: margin + 764, top: below, ...small, shade: [20, 48, 58] },
  { name: "nagasaki-boats", left: margin + 1146, top: below, ...small, shade: [20, 50, 92] },
];

/**
 * The tile as PNG: brightness runs from its shade to the colour of the paper, and the ink is multiplied over that.
 * A stage each, because within one call sharp keeps its own order of operations.
 */
async function printed({ name, width, height, shade }: Tile): Promise<Buffer> {
  const ink = await plate("edge_enhance", name).resize(width, height).png().toBuffer();
  const grey = await plate("blur", name)
    .resize(width, height)
    .modulate({ saturation: 0 })
    .normalise()
    .png()
    .toBuffer();
  const range = paper.map((light, channel) => (light - shade[channel]!) / 255);
  const wash = await sharp(grey)
    .linear(range, [...shade])
    .png()
    .toBuffer();
  return sharp(wash)
    .composite([{ input: ink, blend: "multiply" }])
    .png()
    .toBuffer();
}

function plate(input: string, name: string) {
  return sharp(join(variable("INPUTS"), input, `${name}.jpg`)).toColourspace("srgb");
}

await sharp({ create: { ...sheet, channels: 3 } })
  .composite(
    await Promise.all(
      tiles.map(async (tile) => ({ input: await printed(tile), left: tile.left, top: tile.top })),
    ),
  )
  .png({ compressionLevel: 9 })
  .toFile(variable("OUTPUT"));
