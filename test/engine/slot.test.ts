// One slot serves step after step: nothing of one may be seen by the next, whatever it made of the slot's folders.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
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
  "lets the ends of its links lead elsewhere":
    'case $(readlink inputs/a) in /dev/shm/*) ln -sfn /etc "$(readlink inputs/a)"; rm "$(readlink inputs/b)";; esac',
  "makes links that are nearly ours":
    'case $(readlink inputs/a) in /dev/shm/*) d=$(dirname "$(readlink inputs/a)"); ln -s "$d/../x" inputs/x; ln -s "$d/77" inputs/y;; esac',
  "gives its links other names": "mv inputs/a inputs/x; mv inputs/b inputs/a; mv inputs/x inputs/b",
  "copies a link": "cp -P inputs/a inputs/mess; cp -P inputs/a inputs/c; rm inputs/b",
  "shuts and empties its folders": 'chmod 0 "$HOME"; rm -rf "$TMPDIR"',
  "makes a folder a link": 'rmdir "$TMPDIR"; ln -s "$HOME" "$TMPDIR"; echo x > "$TMPDIR/x"',
  "leaves things beside its output": 'echo x > "$OUTPUT.more"; mkdir "$(dirname "$OUTPUT")/folder"',
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

test("links stay right through steps with more and with fewer inputs, under other names and the same", async (t) => {
  const rig = await openRig(t);
  const list = 'for f in inputs/*; do [ -L "$f" ] && echo "$f $(cat "$f")"; done > $OUTPUT';
  const letters = [..."abcdefgh"];
  const sets = ["ab", "cd", "bcd", "h", "abcdefgh", "ah", "", "gab", "gab", "bag"];
  const plan = planOf({
    ...Object.fromEntries(letters.map((letter) => [letter, `echo ${letter} > $OUTPUT`])),
    // One after the other, each in the slot of the one before.
    ...Object.fromEntries(
      sets.map((set, n) => [
        `step${n}`,
        [`: ${n}; ${list} || true`, ...set, ...(n === 0 ? [] : [`step${n - 1}`])],
      ]),
    ),
  });
  assert.equal((await rig.run(plan, { jobs: 1 })).status, "done");
  for (const [n, set] of sets.entries()) {
    const lines = [...set].sort().map((letter) => `inputs/${letter} ${letter}\n`);
    const before = n === 0 ? "" : `inputs/step${n - 1} ${await rig.text(plan, `step${n - 1}`)}`;
    assert.equal(
      await rig.text(plan, `step${n}`),
      `${lines.join("")}${before}`.replace(/\n*$/, "\n").replace(/^\n$/, ""),
      set,
    );
  }
});

test("what is left where nothing was before is found, whatever is done to its folder's times", async (t) => {
  const rig = await openRig(t);
  // The first steps are slow enough for their folders' times to be old when the last of them is looked at.
  const quiet = (n: number) => `: ${n}; sleep 0.03; echo ${n} > $OUTPUT`;
  const leave =
    'for d in "$HOME" "$TMPDIR" .; do touch -r "$d" ref; touch "$d/left"; touch -r ref "$d"; done; rm ref';
  const tasks: Record<string, string | [string, ...string[]]> = { quiet0: quiet(0) };
  for (let n = 1; n < 8; n++) tasks[`quiet${n}`] = [quiet(n), `quiet${n - 1}`];
  tasks["leaves"] = [`${leave}; echo left > $OUTPUT`, "quiet7"];
  tasks["look"] = ['ls -A "$HOME" "$TMPDIR" . > $OUTPUT; ls -A inputs >> $OUTPUT', "leaves"];
  const plan = planOf(tasks);
  const { run } = await rig.run(plan, { jobs: 1 });
  const slot = join(rig.store.scratchDir, run, "0");
  const seen = (await rig.text(plan, "look")).replaceAll(slot, "SLOT");
  assert.equal(seen, ".:\ninputs\n\nSLOT/home:\n\nSLOT/tmp:\nleaves\n");
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
