// Logs past their cap keep both ends, however they grow.
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import fc from "fast-check";
import { CappedLog, lastLines } from "../../src/engine/log.ts";
import { openRig, outputOf, planOf, scratch } from "./rig.ts";

test("a log within its cap is left as it is, and an empty one is removed", (t) => {
  const dir = scratch(t);
  for (const text of ["", "x", "x".repeat(400)]) {
    const path = join(dir, "log");
    const log = new CappedLog(path, 400);
    appendFileSync(path, text);
    log.trim();
    assert.equal(log.finish(), text !== "");
    assert.equal(existsSync(path) ? readFileSync(path, "utf8") : "", text);
    assert.deepEqual(readdirSync(dir), text === "" ? [] : ["log"]);
    if (text !== "") unlinkSync(path);
  }
});

test("a log that was never written is no log", (t) => {
  assert.equal(new CappedLog(join(scratch(t), "log")).finish(), false);
});

test("whenever it is cut, a long log keeps its beginning and its end, and says how much is left out", (t) => {
  const dir = scratch(t);
  let n = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 900 }), fc.boolean()), { minLength: 1, maxLength: 12 }),
      (parts) => {
        const path = join(dir, `log${n++}`);
        const log = new CappedLog(path, 400);
        let all = "";
        for (const [length, cut] of parts) {
          const text = Array.from({ length }, (_, i) =>
            String.fromCharCode(97 + ((all.length + i) % 26)),
          ).join("");
          all += text;
          appendFileSync(path, text);
          if (cut) log.trim();
        }
        assert.equal(log.finish(), true);
        const kept = readFileSync(path, "utf8");
        if (kept === all) return;
        const [, head, bytes, tail] = /^([a-z]+)\n\[… (\d+) bytes left out …\]\n([a-z]+)$/.exec(kept)!;
        assert.equal(head, all.slice(0, 100));
        assert.ok(all.endsWith(tail!) && tail!.length === 100);
        assert.equal(Number(bytes), all.length - 200);
      },
    ),
  );
  assert.ok(readdirSync(dir).every((name) => /^log\d+$/.test(name)));
});

test("a task that prints without end does not fill the disk, and both ends are kept", async (t) => {
  const rig = await openRig(t);
  const bytes = 40 * 2 ** 20;
  const plan = planOf({ chatty: `echo first; yes chatter | head -c ${bytes}; echo last; exit 1` });
  const { failures } = await rig.run(plan);
  const { log, logTail } = failures[0]!.failure;
  assert.ok(statSync(log!).size < 3 * 2 ** 20);
  const text = readFileSync(log!, "utf8");
  assert.match(text, /^first\nchatter\n/);
  assert.match(text, /\n\[… \d+ bytes left out …\]\n/);
  assert.deepEqual(logTail.slice(-2), ["chatter", "last"]);
  assert.equal((await rig.record.executions(outputOf(plan, "chatty")))[0]!.failure!.message, "exit 1");
  assert.deepEqual(readdirSync(rig.store.logDir).length, 1);
});

test("the last lines of a log: without line ends, whole, and none of no file", (t) => {
  const path = join(scratch(t), "log");
  assert.deepEqual(lastLines(path, 3), []);
  appendFileSync(path, "a\nb\r\n\nc");
  assert.deepEqual(lastLines(path, 3), ["b", "", "c"]);
  assert.deepEqual(lastLines(path, 10), ["a", "b", "", "c"]);
});
