// bash`…`: what is written reaches bash, what is put in stays data, and tasks become dependencies.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { type BashValue, bash, hasPipe } from "../../src/plan/bash.ts";
import { Dag } from "../../src/plan/dag.ts";

/** What bash prints. */
function output(spec: { readonly command: readonly string[] }, env: Record<string, string> = {}): string {
  const [program, ...args] = spec.command;
  const { status, stdout, stderr } = spawnSync(program!, args, {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  assert.equal(status, 0, `${spec.command.at(-1)}\n${stderr}`);
  return stdout;
}

function script(spec: { readonly command: readonly string[] }): string {
  return spec.command.at(-1)!;
}

/** bash`…` whose pieces are `pieces` as a source file would have them. */
function written(pieces: readonly string[], ...values: BashValue[]) {
  const strings = Object.assign([...pieces], { raw: pieces });
  return bash(strings as unknown as TemplateStringsArray, ...values);
}

test("a command is performed by bash, which stops at the first failure, also within a pipe", () => {
  const spec = bash`echo hello`;
  assert.deepEqual(spec, { command: ["bash", "-euo", "pipefail", "-c", "echo hello"] });
  assert.notEqual(spawnSync("bash", bash`false | true`.command.slice(1)).status, 0);
  assert.notEqual(spawnSync("bash", bash`echo $NOT_THERE_AT_ALL`.command.slice(1)).status, 0);
});

test("a value is one word, whatever is in it", () => {
  for (const value of [
    "a b",
    "",
    "it's",
    '"',
    "$HOME",
    "`id`",
    "*",
    "~",
    "#",
    "-n",
    "a\nb",
    "\\",
    "é\u{1F600}",
    "if",
    "A=b",
    "!",
  ]) {
    assert.equal(output(bash`printf '[%s]' ${value} end`), `[${value}][end]`);
    assert.equal(output(bash`x=${value}; printf '[%s]' "$x"`), `[${value}]`);
  }
  assert.equal(
    script(bash`fit --lr ${0.05} --k ${4} --all=${true} --n ${12n}`),
    "fit --lr 0.05 --k 4 --all=true --n 12",
  );
});

test("a list is its members, each a word; an empty one is nothing", () => {
  assert.equal(script(bash`cat ${["a", "b c", 3]} > $OUTPUT`), "cat a 'b c' 3 > $OUTPUT");
  assert.equal(script(bash`fit ${[]} x`), "fit  x");
  assert.equal(output(bash`printf '[%s]' ${["", ["x", "y z"]]}`), "[][x][y z]");
});

test("within quotes a value is part of what stands there", () => {
  const value = `a "b" 'c' $HOME \`id\` \\ \\n %s!`;
  assert.equal(output(bash`printf %s "<${value}>"`), `<${value}>`);
  assert.equal(output(bash`printf %s '<${value}>'`), `<${value}>`);
  assert.equal(output(bash`printf %s $'<${value}>\t'`), `<${value}>\t`);
  assert.equal(output(bash`printf %s "$(printf %s ${value})"`), value);
  assert.equal(output(bash`printf %s "$(printf %s "${value}")"`), value);
  assert.throws(() => bash`printf %s "\${NOT_SET:-${value}}"`, { code: "bad-value", message: /within/ });
  assert.equal(output(bash`printf %s \${NOT_SET:-${value}}`), value);
  assert.equal(output(bash`printf %s \`printf %s ${"a b"}\``), "ab");
  assert.equal(
    output(bash`echo $(( ${3} << 1 )) ${value}; (( 1 << 2 )) && echo ${value}`),
    `6 ${value}\n${value}\n`,
  );
});

test("comments have no quotes", () => {
  assert.equal(
    output(bash`
      # it's a comment with ${"a\nnewline"}
      echo a#b ${"it's"} # "and
      echo ${"x y"}`),
    "a#b it's\nx y\n",
  );
});

test("a here-document takes values as they are", () => {
  const value = `it's "$HOME" \`id\` \\ \\$ end`;
  assert.equal(
    output(
      bash`
      cat <<EOF
      <${value}> $MORE
      EOF
      echo ${value}
    `,
      { MORE: "more" },
    ),
    `<${value}> more\n${value}\n`,
  );
  assert.equal(
    output(bash`
      cat <<'EOF' && echo ${value}
      <${value}> $MORE
      EOF
    `),
    `<${value}> $MORE\n${value}\n`,
  );
  assert.equal(
    output(written(["cat <<-END\n\t<", ">\n\tEND\necho ", ""], value, value)),
    `<${value}>\n${value}\n`,
  );
  assert.throws(
    () => bash`cat <<EOF
${"a\nEOF\nrm -r ."}
EOF`,
    { code: "bad-value" },
  );
  assert.equal(output(bash`cat <<< ${value}`), `${value}\n`);
});

test("the text reaches bash as it stands in the source, but for what JavaScript asks for", () => {
  assert.equal(
    script(bash`printf 'a\tb\n' \$x \\ "\"" \x \u \0`),
    String.raw`printf 'a\tb\n' \$x \\ "\"" \x \u \0`,
  );
  assert.equal(script(bash`echo \${HOME} $\{HOME} \`id\``), "echo ${HOME} ${HOME} `id`");
  assert.equal(
    script(bash`echo a \
  b`),
    "echo a \\\n  b",
  );
  assert.equal(output(bash`printf 'a\tb\\n'`), "a\tb\\n");
});

test("the indentation that all lines share is not part of the command", () => {
  const one = bash`
    for x in ${["a", "b"]}; do
      echo $x

    done
  `;
  assert.equal(script(one), "for x in a b; do\n  echo $x\n\ndone");
  const other = bash`
            for x in ${["a", "b"]}; do
              echo $x
  
            done
  `;
  assert.deepEqual(one, other);
  assert.equal(
    script(bash`echo
  ${"x"}`),
    "echo\n  x",
    "what begins on the first line stays as it is",
  );
  assert.equal(
    script(bash`
    ${"x"} a
      b`),
    "x a\n  b",
  );
});

test("a task is a dependency and its path", () => {
  const dag = new Dag();
  const split = dag.task("split/a b", { command: "x" });
  const fit = dag.task("fit", { command: "y" });
  const report = dag.task("report", bash`cat ${split}/train.csv "${fit}/x" ${split} > $OUTPUT`);
  assert.equal(
    script(report.spec as { command: string[] }),
    "cat 'inputs/split%2Fa b'/train.csv \"inputs/fit/x\" 'inputs/split%2Fa b' > $OUTPUT",
  );
  assert.deepEqual(
    [...report.dependencies],
    [
      ["split/a b", split],
      ["fit", fit],
    ],
  );
  const all = dag.task("all", bash`cat ${[split, fit]} ${{ model: fit }}`);
  assert.equal(script(all.spec as { command: string[] }), "cat 'inputs/split%2Fa b' inputs/fit inputs/model");
  assert.deepEqual([...all.dependencies.keys()], ["split/a b", "fit", "model"]);
});

test("a spec that a command was spread into depends on the same, and has the ID of one written by hand", () => {
  const dag = new Dag();
  const raw = dag.task("raw", { command: "x" });
  const more = dag.task("more", { command: "z" });
  const spread = dag.task("spread", { ...bash`sort ${raw} > $OUTPUT`, produces: "x.csv" });
  const command = ["bash", "-euo", "pipefail", "-c", "sort inputs/raw > $OUTPUT"];
  const byHand = dag.task("by hand", { command, produces: "x.csv" }).after(raw);
  const { tasks } = dag.encode();
  assert.equal(tasks["spread"]!.output, tasks["by hand"]!.output);
  assert.deepEqual([...byHand.dependencies.keys()], [...spread.dependencies.keys()]);
  const both = dag.task("both", { ...bash`sort ${raw}`, ...bash`sort ${more}` });
  assert.deepEqual([...both.dependencies.keys()], ["raw", "more"], "no piece takes another's place");
  assert.deepEqual([...dag.task("then", bash`sort ${raw}`).after(more).dependencies.keys()], ["more", "raw"]);
});

test("a command that is put into the spec later brings its dependencies, and one that is replaced takes them away", () => {
  const dag = new Dag();
  const raw = dag.task("raw", { command: "x" });
  const late = dag.task("late", { sha: "1" });
  Object.assign(late.spec, bash`sort ${raw}`);
  assert.deepEqual(Object.keys(dag.encode().tasks["late"]!.inputs), ["raw"]);
  late.spec = { command: "y" };
  assert.deepEqual(Object.keys(dag.encode().tasks["late"]!.inputs), []);
});

test("two tasks of one name are refused wherever they meet", () => {
  const [one, other] = [new Dag().task("raw", {}), new Dag().task("raw", {})];
  const duplicate = { code: "duplicate-dependency" };
  assert.throws(() => bash`cat ${one} ${other}`, duplicate);
  const dag = new Dag();
  assert.throws(() => dag.task("both", { ...bash`cat ${one}`, ...bash`cat ${other}` }), duplicate);
  assert.throws(() => dag.task("a", bash`cat ${one}`).after(other), duplicate);
  assert.throws(() => dag.task("cycle", {}) && dag.encode() && bash`${dag.tasks["none"]!}`, {
    code: "unknown-task",
  });
});

test("what is no value is refused with its place and the way out", () => {
  const refuse = (value: unknown, message: RegExp, hint: RegExp) =>
    assert.throws(
      () => bash`echo ${"a"} ${value as BashValue}`,
      (error: Error & { hint?: string }) => {
        assert.match(error.message, message);
        assert.match(error.hint ?? "", hint);
        return true;
      },
    );
  refuse(undefined, /value 2 is undefined/, /\[\]/);
  refuse(null, /value 2 is null/, /\[\]/);
  refuse(Number.NaN, /NaN/, /Text/);
  refuse({ lr: 1 }, /a map/, /json/);
  refuse(Promise.resolve(1), /a promise/, /await/);
  refuse(new Date(0), /class Date/, /Text/);
  refuse(() => 1, /a function/, /Text/);
  refuse("a\0b", /NUL/, /program/);
  assert.throws(() => bash`echo "${["a", "b"]}"`, { code: "bad-value", message: /a list within quotes/ });
  assert.throws(() => (bash as unknown as (text: string) => void)("echo"), { code: "bad-value" });
});

test("whatever is put wherever, bash prints it", () => {
  const places: [before: string, after: string][] = [
    ["", ""],
    ['"', '"'],
    ["'", "'"],
    ["$'", "'"],
    ['"$(printf %s ', ')"'],
    ['"$(printf %s "', '")"'],
    ["${NOT_SET:-", "}"],
    ['"$(cat <<E_O_F\n', '\nE_O_F\n)"'],
    ["\"$(cat <<'E_O_F'\n", '\nE_O_F\n)"'],
    ["\"$( # it's\n printf %s ", ')"'],
  ];
  const value = fc
    .oneof(
      fc.string({ unit: fc.constantFrom(...`ab \\"'$\`#!~*{}()<>|&;=%\t\n-é`) }),
      fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
    )
    .filter((text) => !text.endsWith("\n")); // $( … ) takes these away, as it does of anything
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...places), value), { minLength: 8, maxLength: 30 }),
      (words) => {
        const pieces = [`printf '%s\\0'`];
        for (const [[before, after]] of words) {
          pieces[pieces.length - 1] += ` ${before}`;
          pieces.push(after);
        }
        const values = words.map(([, text]) => text);
        assert.deepEqual(
          output(written(pieces, ...values))
            .split("\0")
            .slice(0, -1),
          values,
        );
      },
    ),
    { numRuns: 30 },
  );
});

test("a pipe between programs is told from all that looks like one", () => {
  for (const command of [
    "a | b",
    "a|b",
    "a 2>&1 |& b",
    "x=$(a | b)",
    'echo "$(a | b)"',
    "(a; b) | c",
    "a || b | c",
    "a \\|| b",
    "a || b \\||c",
  ]) {
    assert.equal(hasPipe(command), true, command);
  }
  for (const command of [
    "a || b",
    "a||b; c ||d",
    "echo 'a | b'",
    'echo "a | b"',
    "a \\| b",
    "# a | b",
    "a >| b",
    "cat <<E\na | b\nE\n",
  ]) {
    assert.equal(hasPipe(command), false, command);
  }
});

test("a text command with a pipe is warned of once", () => {
  const dag = new Dag();
  dag.task("a", { command: "sort x | uniq > $OUTPUT" });
  dag.task("b", { command: "sort x | uniq > $OUTPUT" });
  dag.task("c", { command: "set -o pipefail; sort x | uniq" });
  dag.task("d", { command: ["awk", "a | b"] });
  dag.task("e", bash`sort x | uniq`);
  const [line, ...others] = dag.warnings();
  assert.match(line!, /^task "a" and 1 more: .*pipe.*bash`…`/);
  assert.equal(others.length, 0);
});
