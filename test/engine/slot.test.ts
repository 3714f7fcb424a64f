// One slot serves step after step: nothing of one may be seen by the next, whatever it made of the slot's folders.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openRig, planOf } from "./rig.ts";

/** Everything that a step finds, with what its links lead to. */
const LIST =
  'for f in inputs/* inputs/.* * .* "$HOME"/* "$TMPDIR"/*; do [ -e "$f" ] || [ -L "$f" ] || continue; case $f in *.|*..) continue;; esac; echo "${f##*/slots/} $(readlink "$f" | sed "s|.*/outputs/||")"; done > $OUTPUT';

const MESS: Readonly<Record<string, string>> = {
  "replaces a link by a file": "rm inputs/a; echo other > inputs/a",
  "lets a link lead elsewhere": "ln -sfn /etc inputs/a",
  "adds to its inputs": "echo x > inputs/more; mkdir inputs/folder; echo y > inputs/folder/file",
  "adds a name that is no text": "touch \"inputs/$(printf '\\377')\"",
  "removes its inputs": "rm -rf inputs",
  "makes its inputs a file": "rm -rf inputs; echo > inputs",
  "makes its inputs a link": "rm -rf inputs; ln -s /etc inputs",
  "shuts its inputs": "chmod 500 inputs",
  "strews files":
    'echo x > file; mkdir folder; echo y > folder/file; echo z > "$HOME/z"; echo t > "$TMPDIR/t"',
  prints: "echo printed",
};

test("a step finds its own inputs and nothing else, whatever the step before did in its slot", async (t) => {
  const rig = await openRig(t);
  const inputs = { a: "echo a > $OUTPUT", b: "echo b > $OUTPUT" };
  const clean = planOf({ ...inputs, look: [`: first; ${LIST}`, "a", "b"] });
  await rig.run(clean, { jobs: 1 });
  const expected = await rig.text(clean, "look");
  assert.match(expected, /^inputs\/a \w\w\/\w{64}\ninputs\/b \w\w\/\w{64}\ninputs \n/);
  for (const [what, mess] of Object.entries(MESS)) {
    const plan = planOf({
      ...inputs,
      mess: [`: ${what}; ${mess}; echo m > $OUTPUT`, "a", "b"],
      look: [`: ${what}; ${LIST}; cp $OUTPUT /dev/null`, "a", "b"],
    });
    // One slot, and the messy one first.
    const first = await rig.run(plan, { jobs: 1, goals: ["mess", "look"] });
    assert.deepEqual(first.ranTasks, ["mess", "look"], what);
    assert.equal(await rig.text(plan, "look"), expected, what);
  }
});

test("a log has what its own step printed, though steps take turns with one file", async (t) => {
  const rig = await openRig(t);
  const tasks = planOf({
    quiet: "echo x > $OUTPUT",
    loud: ["echo one; echo two >&2; echo x > $OUTPUT", "quiet"],
    silent: [": again; echo x > $OUTPUT", "loud"],
    louder: ["echo three; echo x > $OUTPUT", "silent"],
  });
  const { run } = await rig.run(tasks, { jobs: 1 });
  const logs = await Promise.all(
    (await rig.record.executionsOf(run)).map(async ({ task, log }) => {
      const path = log === undefined ? undefined : await rig.store.log(log);
      return [task, path === undefined ? undefined : readFileSync(path, "utf8")];
    }),
  );
  assert.deepEqual(Object.fromEntries(logs), {
    quiet: undefined,
    loud: "one\ntwo\n",
    silent: undefined,
    louder: "three\n",
  });
});
