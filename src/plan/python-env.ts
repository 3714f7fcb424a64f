// Packages of Python as a task: what a requirements file says, installed once by pip.
import { readFileSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { AlamodeError } from "../errors.ts";
import {
  type EnvironmentOptions,
  type EnvironmentSpec,
  environmentTask,
  fileOf,
  platformFlag,
} from "./environment-task.ts";
import { remark } from "./remarks.ts";

export interface PythonEnvOptions extends EnvironmentOptions {
  /** The Python that installs, and that runs the packages' scripts: a name on PATH, or an absolute path. `python3` unless said. */
  readonly python?: string;
}

/** Variables that say where pip fetches from. The rest of its configuration could change what is installed. */
const PIP = [
  ...[
    "INDEX_URL",
    "EXTRA_INDEX_URL",
    "FIND_LINKS",
    "NO_INDEX",
    "TRUSTED_HOST",
    "CERT",
    "CLIENT_CERT",
    "PROXY",
  ],
  ...[
    "CONFIG_FILE",
    "CACHE_DIR",
    "NO_CACHE_DIR",
    "KEYRING_PROVIDER",
    "DEFAULT_TIMEOUT",
    "TIMEOUT",
    "RETRIES",
  ],
]
  .map((name) => `PIP_${name}`)
  .concat(["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "XDG_CONFIG_HOME"]);

/**
 * The spec of a task that installs what a requirements file says, for tasks that depend on it: these import the packages, and find
 * their scripts on PATH. Files it names by `-r` and `-c` come along. Hashes are checked where there are any; what is not pinned
 * is warned of, for no ID can tell what was got.
 *
 *     const env = dag.task('env', pythonEnv('requirements.txt'));
 *     dag.task('fit', { command: 'python3 fit.py', files: files('fit.py') }).after(env);
 *
 * Throws `no-source`, `bad-requirements`, `bad-platform`.
 */
export function pythonEnv(requirements: string, options: PythonEnvOptions = {}): EnvironmentSpec {
  const called = `pythonEnv("${requirements}")`;
  const first = fileOf(requirements, called, options);
  const base = dirname(first);
  const nameOf = (file: string) => relative(base, file).replaceAll(sep, "/");
  const files = new Map<string, string>();
  const unpinned: string[] = [];
  const queue = [first];
  for (const file of queue) {
    if (files.has(nameOf(file))) continue;
    if (nameOf(file).startsWith("../")) {
      throw new AlamodeError("bad-requirements", `${called}: ${file} lies outside of the folder ${base}.`, {
        hint: "Name the requirements file that lies above the others.",
      });
    }
    files.set(nameOf(file), file);
    for (const requirement of linesOf(file)) {
      const other = /^(?:-r|-c|--requirement|--constraint)[\s=]*(.+)$/.exec(requirement)?.[1];
      if (other !== undefined)
        queue.push(fileOf(resolve(dirname(file), other), `${called}, ${requirement}`, {}));
      else if (/^(?:-e|--editable)\b|^\.{0,2}\/|^file:|@\s*file:/.test(requirement)) {
        throw new AlamodeError("bad-requirements", `${called}: "${requirement}" is a folder or file here.`, {
          hint: "Only packages of an index can be installed by themselves. List code of your own under files: files('lib/**').",
        });
      } else if (!requirement.startsWith("-") && !isPinned(requirement)) unpinned.push(requirement);
    }
  }
  if (unpinned.length > 0) {
    const more = unpinned.length > 3 ? ` and ${unpinned.length - 3} more` : "";
    const said = `${called}: ${unpinned.slice(0, 3).join(", ")}${more} may mean another version tomorrow, under the same ID.`;
    remark(`${said} Pin all:  pip freeze > ${nameOf(first)}`);
  }
  const { python = "python3" } = options;
  const flags = platformFlag(called, options);
  const command = [python, "install-python.py", python, nameOf(first), ...flags];
  return environmentTask(files, { program: "install-python.py", command, pass: PIP });
}

/** The lines of a requirements file that say something, without comments, continued ones joined. */
function linesOf(file: string): string[] {
  return readFileSync(file, "utf8")
    .replace(/\\\r?\n/g, " ")
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** Whether exactly one version is meant: `name==1.2`, or any with a hash, or a URL that names a commit or a digest. */
function isPinned(requirement: string): boolean {
  return (
    /--hash[=\s]/.test(requirement) ||
    /===?\s*[^\s,;*]+\s*($|;)/.test(requirement) ||
    /@\s*\S+(#sha256=|@[0-9a-f]{40}\b)/.test(requirement)
  );
}
