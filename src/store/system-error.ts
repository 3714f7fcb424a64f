// The one place where the operating system's errors become ours: what was being done, what went wrong, the way out.
import { AlamodeError, errnoOf, type Facts } from "../errors.ts";

interface Meaning {
  readonly code: string;
  readonly what: string;
  readonly hint?: string;
  readonly transient?: boolean;
}

const noSpace: Meaning = {
  code: "no-space",
  what: "no space is left on the device",
  hint: "Free space there (`df -h`, `df -i`), or move the store elsewhere with --store.",
};

const noPermission: Meaning = {
  code: "no-permission",
  what: "permission was denied",
  hint: "Look at the owner and mode of that path.",
};

const meanings: { readonly [errno: string]: Meaning } = {
  ENOSPC: noSpace,
  EDQUOT: {
    code: "no-space",
    what: "the disk quota is used up",
    hint: "Free space there (`quota`), or move the store elsewhere with --store.",
  },
  EMFILE: {
    code: "too-many-files",
    what: "this process has too many files open",
    hint: "Allow more with `ulimit -n 65536`, or run fewer steps at once with --jobs.",
    transient: true,
  },
  ENFILE: {
    code: "too-many-files",
    what: "the whole system has too many files open",
    hint: "Close other programs, or allow more (`sysctl fs.file-max`; `ulimit -n` for one process).",
    transient: true,
  },
  EXDEV: {
    code: "store-unusable",
    what: "the two places are on different file systems",
    hint: "Keep the whole store on one file system: no mount or link inside it may lead to another.",
  },
  EROFS: {
    code: "store-unusable",
    what: "the file system is read-only",
    hint: "Mount it writable, or choose another place with --store.",
  },
  EACCES: noPermission,
  EPERM: noPermission,
};

/**
 * What to throw for `error`, caught while `doing` something, e.g. "hashing results/a.csv". Anything that is not a
 * system error comes back as it is. Codes: `no-space`, `too-many-files`, `store-unusable`, `no-permission`, and
 * `system-error` for every other errno.
 */
export function systemError(error: unknown, doing: string, facts: Facts = {}): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || error instanceof AlamodeError) return error;
  const { path, message } = error as NodeJS.ErrnoException;
  const meaning = meanings[errno] ?? { code: "system-error", what: message };
  return new AlamodeError(meaning.code, `${doing}: ${meaning.what} (${errno})`, {
    facts: path === undefined ? facts : { ...facts, path },
    ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
    transient: meaning.transient ?? false,
    cause: error,
  });
}
