import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { AlamodeError } from "../../src/errors.ts";
import { Needles } from "../../src/store/needles.ts";
import { seal } from "../../src/store/seal.ts";
import { build, scratch, type Thing, withUmask } from "./scratch.ts";

/** A slot with an output and one sealed input at `store/in`, linked to from `inputs/in` as steps have it. */
async function slot(
  t: TestContext,
  output: Record<string, Thing>,
  input: Record<string, Thing> = { x: "input" },
) {
  const dir = scratch(t);
  const inputs = [build(`${dir}/store/in`, input)];
  await seal(inputs[0]!, {});
  build(`${dir}/slot`, { "inputs/in": { link: inputs[0]! }, beside: "scratch" });
  return { dir, inputs, top: build(`${dir}/slot/OUTPUT`, output) };
}

function refusal(path: string, words: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof AlamodeError, String(error));
    assert.equal(error.code, "bad-output");
    assert.equal(error.facts["path"], path);
    assert.match(error.message, words);
    return true;
  };
}

test("the digest is the same under umask 022, 002 and 077", async (t) => {
  const digests = new Set<string>();
  for (const mask of [0o022, 0o002, 0o077]) {
    const things = { "sub/a": "1", "sub/empty": null, tool: "#!" };
    const top = withUmask(mask, () => {
      const made = build(`${scratch(t)}/OUTPUT`, things);
      chmodSync(`${made}/tool`, 0o777 & ~mask);
      return made;
    });
    digests.add((await seal(top, {})).digest);
    assert.equal(lstatSync(`${top}/sub/a`).mode & 0o7777, 0o444);
    assert.equal(lstatSync(`${top}/tool`).mode & 0o7777, 0o555);
    assert.equal(lstatSync(`${top}/sub`).mode & 0o7777, 0o555);
    assert.equal(lstatSync(top).mode & 0o7777, 0o755);
  }
  assert.equal(digests.size, 1);
});

test("the owner's x bit, and no other, makes a file executable", async (t) => {
  const top = build(`${scratch(t)}/OUTPUT`, { a: "", b: "", c: "" });
  for (const [file, mode] of [
    ["a", 0o100],
    ["b", 0o677],
    ["c", 0o4755],
  ] as const) {
    chmodSync(`${top}/${file}`, mode);
  }
  const { tree } = await seal(top, {});
  const executable = [...tree.values()].map((entry) => entry.kind === "file" && entry.executable);
  assert.deepEqual(executable, [true, false, true]);
  assert.equal(lstatSync(`${top}/c`).mode & 0o7777, 0o555);
});

test("files and folders that their owner cannot read are sealed all the same", async (t) => {
  const top = build(`${scratch(t)}/OUTPUT`, { "locked/deep/file": "1", "locked/other": "2", secret: "3" });
  for (const path of ["/locked/deep/file", "/locked/deep", "/locked", "/secret", ""])
    chmodSync(top + path, 0);
  const { tree } = await seal(top, {});
  assert.deepEqual([...tree.keys()], ["locked", "locked/deep", "locked/deep/file", "locked/other", "secret"]);
});

test("names of any UTF-8 are kept apart", async (t) => {
  const names = ["😀", "a\nb", "\uFFFD", "\u00E9", "e\u0301", "\uFF5E", "-rf", "\\", '"', "\u0001"];
  const top = build(`${scratch(t)}/OUTPUT`, Object.fromEntries(names.map((name) => [name, name])));
  const { tree } = await seal(top, {});
  assert.deepEqual([...tree.keys()].toSorted(), names.toSorted());
});

test("a name that is not UTF-8 is refused with its place", async (t) => {
  const top = build(`${scratch(t)}/OUTPUT`, { "sub/\uFFFD": "rightful" });
  const bad = Buffer.concat([Buffer.from(`${top}/sub/caf`), Buffer.of(0xe9)]);
  try {
    writeFileSync(bad, "latin1");
  } catch {
    return t.skip("this file system takes only UTF-8 names");
  }
  await assert.rejects(seal(top, {}), refusal("sub/caf\\xe9", /not UTF-8/));
});

test("a link target that is not UTF-8 is refused", async (t) => {
  const top = build(`${scratch(t)}/OUTPUT`, {});
  symlinkSync(Buffer.of(0xe9), `${top}/link`);
  await assert.rejects(seal(top, {}), refusal("link", /not UTF-8/));
});

test("FIFOs, sockets and devices are refused", async (t) => {
  const top = build(`${scratch(t)}/OUTPUT`, { "sub/fine": "" });
  execFileSync("mkfifo", [`${top}/sub/pipe`]);
  await assert.rejects(seal(top, {}), refusal("sub/pipe", /FIFO/));
  await assert.rejects(seal(`${top}/sub/pipe`, {}), refusal("", /FIFO/));

  const other = build(`${scratch(t)}/OUTPUT`, {});
  const server = createServer().listen(`${other}/sock`);
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  await assert.rejects(seal(other, {}), refusal("sock", /socket/));
});

test("nothing at the path is refused", async (t) => {
  await assert.rejects(seal(`${scratch(t)}/OUTPUT`, {}), refusal("", /nothing lies there/));
});

test("folders nested deeper than a path can name are refused, not fatal", async (t) => {
  const top = build(`${scratch(t)}/OUTPUT`, {});
  const name = "d".repeat(200);
  execFileSync("sh", [
    "-c",
    `cd "$0"; for i in $(seq 40); do mkdir ${name}; cd -P ${name} || exit 1; done`,
    top,
  ]);
  await assert.rejects(seal(top, {}), refusal(`${name.slice(0, 80)}…`, /3000 bytes/));
});

test("a file with another name elsewhere becomes the output's own", async (t) => {
  const { top, dir, inputs } = await slot(t, { sub: null });
  linkSync(`${dir}/slot/beside`, `${top}/sub/linked`);
  linkSync(`${inputs[0]}/x`, `${top}/x`);
  writeFileSync(`${top}/one`, "same");
  linkSync(`${top}/one`, `${top}/two`);
  const { tree } = await seal(top, { inputs });
  for (const file of ["sub/linked", "x", "one", "two"])
    assert.equal(lstatSync(`${top}/${file}`).nlink, 1, file);
  writeFileSync(`${dir}/slot/beside`, "changed later");
  assert.equal(readFileSync(`${top}/sub/linked`, "utf8"), "scratch");
  assert.equal(tree.size, 5);
  assert.deepEqual(readdirSync(`${dir}/slot`), ["OUTPUT", "beside", "inputs"]);
});

test("links inside the output stay, dangling and circular ones too", async (t) => {
  const links = {
    "sub/up": "../a",
    down: "sub/b",
    self: ".",
    dangling: "sub/nothing",
    "sub/back": "../sub",
    circle: "circle",
    "through-file": "a/b",
    odd: ".//sub/./b",
  };
  const things = Object.entries(links).map(([path, link]) => [path, { link }] as const);
  const { top, inputs } = await slot(t, { a: "1", "sub/b": "2", ...Object.fromEntries(things) });
  await seal(top, { inputs });
  for (const [path, target] of Object.entries(links))
    assert.equal(readlinkSync(`${top}/${path}`), target, path);
});

test("links that would break when the output moves are written anew", async (t) => {
  const { top, inputs } = await slot(t, { "sub/deep/a": "1", jump: { link: "sub/deep" } });
  const links = {
    absolute: [`${top}/sub/deep/a`, "sub/deep/a"],
    "sub/absolute": [`${top}/jump`, "../jump"],
    "to-top": [top, "."],
    "absolute-dangling": [`${top}/sub/none`, "sub/none"],
    "out-and-in": ["../OUTPUT/sub", "sub"],
    // By its names this would be `deep/a` below the top.
    winding: ["jump/../deep/a", "sub/deep/a"],
    "winding-out": ["jump/../../jump/a", "sub/deep/a"],
  } as const;
  for (const [path, [target]] of Object.entries(links)) symlinkSync(target, `${top}/${path}`);
  await seal(top, { inputs });
  for (const [path, [, target]] of Object.entries(links))
    assert.equal(readlinkSync(`${top}/${path}`), target, path);
});

test("links that leave the output are refused with link, target and a way out", async (t) => {
  for (const target of [
    "../beside",
    "/etc/passwd",
    "../../nothing",
    "/nothing",
    "../inputs/in/none",
    "..",
    "sub/../..",
  ]) {
    const { top, inputs } = await slot(t, { "sub/a": "1", "sub/../link": { link: target } });
    await assert.rejects(seal(top, { inputs }), (error: AlamodeError) => {
      refusal("link", /leads .*out/)(error);
      assert.equal(error.facts["target"], target);
      assert.match(error.hint ?? "", /declare it as an input/);
      return true;
    });
    assert.equal(readlinkSync(`${top}/link`), target);
  }
});

test("a link into an input is replaced by what it leads to", async (t) => {
  const input = {
    "sub/b": "b",
    "sub/up": { link: "../x" },
    "sub/in": { link: "b" },
    x: "input",
    tool: { run: "#!" },
  };
  const { top, inputs } = await slot(t, {}, input);
  symlinkSync("../inputs/in/x", `${top}/file`);
  symlinkSync(`${inputs[0]}/tool`, `${top}/tool`);
  symlinkSync("../inputs/in", `${top}/all`);
  symlinkSync("../inputs/in/sub", `${top}/part`);
  const { tree } = await seal(top, { inputs });
  assert.equal(readFileSync(`${top}/file`, "utf8"), "input");
  assert.equal(tree.get("file")?.kind, "file");
  const tool = tree.get("tool");
  assert.ok(tool?.kind === "file" && tool.executable);
  assert.deepEqual(tree.get("all/sub/up"), { kind: "link", target: "../x" });
  // Its target lies outside of the copied part, so it is copied as well.
  assert.equal(tree.get("part/up")?.kind, "file");
  assert.deepEqual(tree.get("part/in"), { kind: "link", target: "b" });
  assert.equal(statSync(`${top}/all/sub/b`).mode & 0o777, 0o444);
  assert.equal(readFileSync(`${inputs[0]}/x`, "utf8"), "input");
});

test("links through a replaced link hold what the task saw", async (t) => {
  const { top, inputs } = await slot(t, { a: { link: "z/x" }, z: { link: "../inputs/in" } });
  await seal(top, { inputs });
  assert.equal(readFileSync(`${top}/a`, "utf8"), "input");
  assert.equal(readFileSync(`${top}/z/x`, "utf8"), "input");
});

test("a circle of links between folders of an input is copied once", async (t) => {
  const input = { "a/to-b": { link: "../b" }, "b/to-a": { link: "../a" }, "a/file": "1", "b/file": "2" };
  const { top, inputs } = await slot(t, { link: { link: "../inputs/in/a" } }, input);
  const { tree } = await seal(top, { inputs });
  assert.deepEqual([...tree.keys()], ["link", "link/file", "link/to-b", "link/to-b/file", "link/to-b/to-a"]);
  assert.equal(readFileSync(`${top}/link/to-b/to-a/to-b/file`, "utf8"), "2");
});

test("an output that is itself a link into an input becomes its content", async (t) => {
  for (const [target, path] of [
    ["inputs/in/x", ""],
    ["inputs/in", "x"],
  ] as const) {
    const { dir, inputs } = await slot(t, {});
    const top = `${dir}/slot/LINK`;
    symlinkSync(target, top);
    assert.deepEqual([...(await seal(top, { inputs })).tree.keys()], [path]);
    assert.ok(!lstatSync(top).isSymbolicLink());
  }
  const { dir, inputs } = await slot(t, {});
  symlinkSync("beside", `${dir}/slot/LINK`);
  await assert.rejects(seal(`${dir}/slot/LINK`, { inputs }), refusal("", /leads out/));
});

test("the needle is found in contents, names and link targets, and only there", async (t) => {
  const needle = "0123456789abcdef";
  const mebibyte = 1024 * 1024;
  const border = Buffer.alloc(2 * mebibyte + 7, ".");
  border.write(needle, mebibyte - 5);
  const end = Buffer.alloc(2 * mebibyte, ".");
  end.write(needle, end.length - needle.length);
  const cases: [Record<string, Thing>, string | undefined][] = [
    [{ a: "", b: `path: /tmp/${needle}/x` }, "b"],
    [{ border }, "border"],
    [{ end }, "end"],
    [{ [`sub/${needle}`]: "" }, `sub/${needle}`],
    [{ link: { link: needle } }, "link"],
    [{ a: needle.slice(1), b: needle.slice(0, -1), big: Buffer.alloc(3 * mebibyte) }, undefined],
  ];
  for (const [things, found] of cases) {
    const top = build(`${scratch(t)}/OUTPUT`, things);
    for (const others of [[], ["never there", "nor this"]]) {
      const sealed = await seal(top, { needles: new Needles([needle, ...others]) });
      assert.deepEqual([...(sealed.needlesIn ?? [])], found === undefined ? [] : [[0, found]]);
      assert.equal("needlesIn" in sealed, found !== undefined);
    }
  }
});

test("of several needles each is found where it is first", async (t) => {
  const long = "x".repeat(300_000);
  const border = Buffer.alloc(3 * 1024 * 1024, ".");
  border.write(`first!${long}`, 1024 * 1024 - 150_000);
  border.write("second", border.length - 6);
  const top = build(`${scratch(t)}/OUTPUT`, { a: "first", border, c: "first! second third" });
  const { needlesIn } = await seal(top, { needles: new Needles(["first!", "second", "third!", long]) });
  assert.deepEqual(
    needlesIn,
    new Map([
      [0, "border"],
      [1, "border"],
      [3, "border"],
    ]),
  );
});

test("many small files are sealed, and other work goes on meanwhile", async (t) => {
  const count = process.env["ALAMODE_LONG"] ? 100_000 : 20_000;
  const top = `${scratch(t)}/OUTPUT`;
  for (let i = 0; i < count; i++) {
    if (i % 1000 === 0) mkdirSync(`${top}/${i / 1000}`, { recursive: true });
    writeFileSync(`${top}/${Math.floor(i / 1000)}/${i}`, `${i}`);
  }
  const start = performance.now();
  const turns = countTurns();
  const sealed = await seal(top, { needles: new Needles(["nowhere"]) });
  t.diagnostic(`sealed ${count} files in ${Math.round(performance.now() - start)} ms, ${turns()} turns`);
  assert.equal(sealed.files, count);
  assert.ok(turns() > 3);
});

test("a huge sparse file is sealed, and other work goes on meanwhile", async (t) => {
  const size = (process.env["ALAMODE_LONG"] ? 5 * 1024 : 64) * 1024 * 1024;
  const top = build(`${scratch(t)}/OUTPUT`, {});
  execFileSync("truncate", ["-s", String(size), `${top}/sparse`]);
  const off = new AbortController();
  setImmediate(() => off.abort(new Error("called off")));
  await assert.rejects(seal(top, {}, off.signal), /called off/);

  const start = performance.now();
  const turns = countTurns();
  const sealed = await seal(top, {});
  t.diagnostic(`sealed ${size} bytes in ${Math.round(performance.now() - start)} ms, ${turns()} turns`);
  assert.equal(sealed.sizeBytes, size);
  assert.ok(turns() >= size / (1024 * 1024));
  assert.ok(existsSync(`${top}/sparse`));
});

/** Counts how often the event loop comes round from now until it is asked. */
function countTurns(): () => number {
  let turns = 0;
  let next = setImmediate(function count() {
    turns++;
    next = setImmediate(count);
  });
  return () => {
    clearImmediate(next);
    return turns;
  };
}
