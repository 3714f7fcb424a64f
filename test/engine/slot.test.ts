// One slot serves step after step: nothing of one may be seen by the next, whatever it made of the slot's folders.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openRig, planOf } from "./rig.ts";

/** Everything that a step finds, and what its links lead to. */
const LIST = `for f in inputs/* inputs/.* * .* "$HOME"/* "$TMPDIR"/*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  case $f in *.|*..) continue;; esac
  echo "$f $([ -L "$f" ] && cat "$f")"
done > $OUTPUT`;

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
  const plan = (what: string, mess: string) =>
    planOf({
      a: "echo a > $OUTPUT",
      b: "echo b > $OUTPUT",
      mess: [`: ${what}; ${mess}; echo m > $OUTPUT`, "a", "b"],
      look: [`: ${what}; ${LIST}`, "a", "b", "mess"],
    });
  for (const [what, mess] of Object.entries(MESS)) {
    const made = plan(what, mess);
    assert.equal((await rig.run(made, { jobs: 1 })).status, "done", what); // one slot
    assert.equal(await rig.text(made, "look"), "inputs/a a\ninputs/b b\ninputs/mess m\ninputs \n", what);
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
