// What a program that failed did not find, by what it said last: the first things that everybody forgets to declare.
import { existsSync } from "node:fs";
import { join } from "node:path";

const NOT_THERE = /no such file|can(?:'t|not) (?:open|find|read|access)|not found|does not exist|ENOENT/i;

/** The way out, in a sentence; undefined where nothing of the kind was said. `argv` is what was run in the folder `cwd`. */
export function hintForMissing(
  argv: readonly string[],
  cwd: string,
  tail: readonly string[],
): string | undefined {
  const said = tail.join("\n");
  const python = /ModuleNotFoundError: No module named '([^'.]+)/.exec(said)?.[1];
  if (python !== undefined) {
    return `Let the task depend on packages:  .after(dag.task('env', pythonEnv('requirements.txt')))  or, if ${python} is your own, list it under  files: files('${python}*').`;
  }
  const node = /(?:Cannot find (?:package|module)) '((?:@[^/']+\/)?[^./'][^/']*)/.exec(said)?.[1];
  if (node !== undefined) {
    return `Let the task depend on packages:  .after(dag.task('env', nodeEnv('package-lock.json')))  where ${node} is one of them.`;
  }
  const lines = tail.filter((line) => NOT_THERE.test(line));
  const file = argv
    .flatMap(words)
    .find((word) => lines.some((line) => line.includes(word)) && !existsSync(join(cwd, word)));
  return file === undefined
    ? undefined
    : `${file} is not in the working directory, which holds what the spec declares: list it under  files: files('${file}').`;
}

/** Words of a command that look like files of one's own: `fit.py`, `lib/fit.py`. */
function words(text: string): string[] {
  return text
    .split(/[\s'"`;|&<>()=]+/)
    .filter((word) => /^\w[\w./-]*\.[A-Za-z]\w{0,5}$/.test(word) && !word.startsWith("inputs/"));
}
