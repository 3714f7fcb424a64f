// A folder's times tell that nothing happened in it only where they are old enough to tell.
import assert from "node:assert/strict";
import { lstatSync, mkdirSync, rmdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Untouched } from "../../src/engine/untouched.ts";
import { scratch } from "./rig.ts";

const look = (path: string) => lstatSync(path, { bigint: true });
const whole = (seconds: bigint) => ({ ino: 1n, mtimeNs: seconds * 10n ** 9n, ctimeNs: seconds * 10n ** 9n });

test("times count once they were seen twice, with more than the clock's tick between", (t) => {
  const folder = scratch(t);
  let now = 0;
  const untouched = new Untouched(() => now);
  const holds = () => untouched.holds(folder, look(folder));
  assert.equal(holds(), false);
  untouched.note(folder, look(folder));
  assert.equal(holds(), false);
  now = 49; // a change in the tick of the first look could have left these times
  untouched.note(folder, look(folder));
  assert.equal(holds(), false);
  now = 51;
  untouched.note(folder, look(folder));
  assert.equal(holds(), true);
  now = 10_000;
  assert.equal(holds(), true);
});

test("a change is seen though the time that people see was put back", (t) => {
  const folder = scratch(t);
  const past = new Date("2020-01-01T00:00:00Z");
  utimesSync(folder, past, past);
  let now = 0;
  const untouched = new Untouched(() => now);
  untouched.note(folder, look(folder));
  now = 100;
  untouched.note(folder, look(folder));
  const before = look(folder);
  assert.equal(untouched.holds(folder, before), true);
  // The clock that file systems write times by ticks: until it has, two changes have one time, as the head of the file says.
  do {
    writeFileSync(join(folder, "left"), "");
    utimesSync(folder, past, past);
  } while (look(folder).ctimeNs === before.ctimeNs);
  assert.equal(look(folder).mtimeNs, before.mtimeNs);
  assert.equal(untouched.holds(folder, look(folder)), false);
});

test("another folder in its place is another one", (t) => {
  const folder = join(scratch(t), "folder");
  mkdirSync(folder);
  let now = 0;
  const untouched = new Untouched(() => now);
  untouched.note(folder, look(folder));
  now = 100;
  untouched.note(folder, look(folder));
  const { ino, mtimeNs, ctimeNs } = look(folder);
  rmdirSync(folder);
  mkdirSync(folder);
  assert.equal(untouched.holds(folder, { ino: ino + 1n, mtimeNs, ctimeNs }), false);
});

test("where times are whole seconds it takes longer to be sure", () => {
  let now = 0;
  const untouched = new Untouched(() => now);
  untouched.note("/folder", whole(5n));
  now = 2_400;
  untouched.note("/folder", whole(5n));
  assert.equal(untouched.holds("/folder", whole(5n)), false);
  now = 2_600;
  untouched.note("/folder", whole(5n));
  assert.equal(untouched.holds("/folder", whole(5n)), true);
  assert.equal(untouched.holds("/folder", whole(6n)), false);
});
