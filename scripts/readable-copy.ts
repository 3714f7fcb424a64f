// A copy of the project that any user can read and run, wherever the original lies: in a fresh folder, of hard links
// where that is possible, without what tests do not need (.git, .alamode).
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";

const leftOut = new Set([".git", ".alamode", ".cache"]);

export interface ReadableCopy {
  /** The copy's top folder. */
  readonly cwd: string;
  /** The copy's own Node.js. */
  readonly execPath: string;
  /** The caller's environment, with the copy's programs on PATH instead of the original's. */
  readonly env: NodeJS.ProcessEnv;
  /** The same for a user, with a HOME and a TMPDIR of its own and nothing of npm's. */
  envOf(uid: number): NodeJS.ProcessEnv;
  readonly remove: () => void;
}

/** Copies the project at `root`. Throws where no temporary folder can be entered by every user. */
export function openToAnyone(root: string): ReadableCopy {
  const base = [tmpdir(), "/tmp", "/var/tmp"].find(canBeEntered);
  if (base === undefined) throw new Error("no temporary folder can be entered by every user");
  const top = mkdtempSync(join(base, "alamode-project-"));
  const cwd = join(top, "project");
  chmodSync(top, 0o755);
  copyFolder(root, cwd);
  const path = (process.env["PATH"] ?? "")
    .split(":")
    .filter((folder) => !`${folder}/`.startsWith(root + sep));
  const env = { ...process.env, PATH: [join(cwd, "node_modules/.bin"), ...path].join(":") };
  return {
    cwd,
    execPath: join(cwd, "node_modules/node/bin/node"),
    env,
    envOf(uid) {
      const own = { HOME: join(top, `home-${uid}`), TMPDIR: join(top, `tmp-${uid}`) };
      for (const folder of Object.values(own)) {
        mkdirSync(folder, { mode: 0o700 });
        chownSync(folder, uid, uid);
      }
      const others = Object.entries(env).filter(([name]) => !/^(npm_|INIT_CWD$|SUDO_)/.test(name));
      return { ...Object.fromEntries(others), ...own, USER: "nobody" };
    },
    remove: () => rmSync(top, { recursive: true, force: true }),
  };
}

/** Whether everybody may pass through the folder and all above it. */
function canBeEntered(folder: string): boolean {
  const open = (statSync(folder, { throwIfNoEntry: false })?.mode ?? 0) & 0o001;
  return open !== 0 && (folder === dirname(folder) || canBeEntered(dirname(folder)));
}

function copyFolder(from: string, to: string): void {
  mkdirSync(to);
  chmodSync(to, 0o755);
  for (const name of readdirSync(from)) {
    if (leftOut.has(name)) continue;
    const source = join(from, name);
    const target = join(to, name);
    const entry = lstatSync(source);
    if (entry.isDirectory()) copyFolder(source, target);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (entry.isFile()) copyFile(source, target, entry.mode);
  }
}

/** A link to the same file if everybody may read that, else (or on another file system) a copy that they may. */
function copyFile(source: string, target: string, mode: number): void {
  const readable = mode | 0o444 | ((mode & 0o100) === 0 ? 0 : 0o111);
  if (mode === readable) {
    try {
      linkSync(source, target);
      return;
    } catch {
      // Another file system, or one without links: copied below.
    }
  }
  copyFileSync(source, target);
  chmodSync(target, readable);
}
