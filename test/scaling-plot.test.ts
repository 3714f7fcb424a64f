// The picture in docs/SCALING.md is of the figures that were measured.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { plotOf } from "../bench/scaling/plot.ts";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

test("docs/scaling.svg is drawn from bench/scaling/measured.json", () => {
  const measured = JSON.parse(read("../bench/scaling/measured.json"));
  assert.equal(read("../docs/scaling.svg"), plotOf(measured), "draw it again: node bench/scaling/plot.ts");
});
