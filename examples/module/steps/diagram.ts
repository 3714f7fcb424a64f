import { readFile, writeFile } from "node:fs/promises";
import type { TaskCall } from "a-la-mode";
import type { Orbit } from "./logistic.ts";

/** Every population that each growth rate settles into, as a dot. */
export async function diagram({
  inputs,
  output,
  args,
  log,
}: TaskCall<{ width: number; height: number }>): Promise<void> {
  const { width, height } = args;
  const strips = await Promise.all(
    Object.values(inputs).map(async (file): Promise<Orbit[]> => JSON.parse(await readFile(file, "utf8"))),
  );
  const orbits = strips.flat().sort((a, b) => a.rate - b.rate);
  const first = orbits[0]?.rate ?? 0;
  const last = orbits.at(-1)?.rate ?? 1;
  const dots = orbits.flatMap(({ rate, populations }) => {
    const x = (((rate - first) / (last - first)) * width).toFixed(1);
    return populations.map((population) => `M${x} ${((1 - population) * height).toFixed(1)}h1`);
  });
  const path = `<path d="${dots.join("")}" stroke="#1f4e79" stroke-width="1" stroke-opacity="0.6" fill="none"/>`;
  await writeFile(
    output,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"><rect width="100%" height="100%" fill="#fff"/>${path}</svg>\n`,
  );
  log("%d rates, %d dots", orbits.length, dots.length);
}
