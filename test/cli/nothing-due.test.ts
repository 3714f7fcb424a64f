// Which calls of `alamode run` may find quickly that nothing is due: those whose options make no difference then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { indifferent } from "../../src/cli/nothing-due.ts";

const read = (line: string) => indifferent(line.split(" ").filter((word) => word !== ""));

test("options that make no difference are read as the full program reads them", () => {
  assert.deepEqual({ ...read("") }, {});
  assert.deepEqual(
    { ...read("-f x.dag --store s --record=r --sandbox none") },
    {
      file: "x.dag",
      store: "s",
      record: "r",
      sandbox: "none",
    },
  );
  assert.deepEqual(
    { ...read("-fx.dag -kj4 --json --logs") },
    {
      file: "x.dag",
      "keep-going": true,
      jobs: "4",
      json: true,
      logs: true,
    },
  );
  assert.deepEqual({ ...read("--store a --store b") }, { store: "b" });
});

test("with a task, any other option, or anything wrong it takes the full program", () => {
  const others = [
    "blur",
    "-- blur",
    "--force",
    "--dry-run",
    "-p k=1",
    "--params x",
    "--date 2026-01-01",
    "--help",
  ];
  const wrong = ["--jobs 0", "-j x", "--file", "--store --json", "--json=1", "--no-json", "--stor s"];
  for (const line of [...others, ...wrong]) assert.equal(read(`-f x.dag ${line}`), undefined, line);
});
