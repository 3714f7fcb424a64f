// Bubblewrap (https://github.com/containers/bubblewrap): namespaces without a daemon or an image. A command sees the system's
// programs, its working folder and its declared inputs, at paths that are the same on every machine, and nothing else.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, delimiter, dirname, isAbsolute, join } from "node:path";
import { AlamodeError } from "../../errors.ts";
import { readablePaths } from "./readable.ts";
import type { Sandbox } from "./types.ts";

const VIEW = { work: "/task", home: "/home", tmp: "/tmp", out: "/out" } as const;

/** Of /etc only what programs of /usr need to start, to name users, and to check certificates. */
const ETC = [
  "alternatives",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "passwd",
  "group",
  "ssl",
  "ca-certificates",
  "fonts",
];
const ETC_NETWORK = ["resolv.conf", "hosts", "nsswitch.conf", "services", "protocols"];

/** Finds bubblewrap and tries it. Throws `sandbox-unavailable`, which says what the system lacks. */
export function openBubblewrap(): Sandbox {
  const program = find("bwrap");
  if (program === undefined) {
    throw new AlamodeError(
      "sandbox-unavailable",
      "the sandbox bubblewrap is not installed here (no bwrap on PATH)",
      {
        hint: "Install it (Debian: apt-get install bubblewrap), or run without:  --sandbox none",
      },
    );
  }
  const system = systemBinds();
  const tried = spawnSync(program, [...namespaces(false), ...system, "--", "/bin/sh", "-c", "exit 0"], {
    encoding: "utf8",
  });
  if (tried.status !== 0) {
    throw new AlamodeError(
      "sandbox-unavailable",
      `the sandbox bubblewrap does not work here: ${tried.stderr.trim() || tried.error}`,
      {
        hint: "It needs user namespaces, or root. Allow them on this machine, or run without:  --sandbox none",
      },
    );
  }
  return {
    kind: "bubblewrap",
    hint: "It ran in the sandbox bubblewrap: what its spec does not declare (files, inputs, network: 1) is not there.",
    view: () => VIEW,
    ready: async () => {},
    wrap: ({ argv, env, slot, inputs, path, network }) => ({
      env,
      argv: [
        program,
        ...namespaces(network),
        ...system,
        ...etc(network),
        ...Object.entries(VIEW).flatMap(([part, inside]) => ["--bind", join(slot, part), inside]),
        // After these, which would hide what is installed below /home or /tmp.
        ...[...path.split(delimiter), dirname(argv[0]!)].flatMap(toolBind),
        ...readablePaths(inputs).flatMap((path) => ["--ro-bind", path, path]),
        // Otherwise the root is a writable tmpfs, and what is written beside $OUTPUT vanishes without a word.
        "--remount-ro",
        "/",
        "--chdir",
        VIEW.work,
        "--",
        ...argv,
      ],
    }),
  };
}

function namespaces(network: boolean): string[] {
  return [
    "--unshare-all",
    ...(network ? ["--share-net"] : []),
    "--die-with-parent",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
  ];
}

/** /usr and what leads into it, read-only. On merged systems /bin and the like are links, and stay links. */
function systemBinds(): string[] {
  const binds = ["--ro-bind", "/usr", "/usr"];
  for (const name of ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]) {
    const stats = lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) binds.push("--symlink", readlinkSync(`/${name}`), `/${name}`);
    else if (stats?.isDirectory()) binds.push("--ro-bind", `/${name}`, `/${name}`);
  }
  return binds;
}

function etc(network: boolean): string[] {
  const names = network ? [...ETC, ...ETC_NETWORK] : ETC;
  return names.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`]);
}

/** A folder of PATH, or of the program that is named, outside the system: with what belongs to its programs, where it is the `bin` of something. */
function toolBind(folder: string): string[] {
  if (!isAbsolute(folder) || /^\/(usr|bin|sbin)(\/|$)/.test(folder) || !existsSync(folder)) return [];
  const real = realpathSync(folder);
  const whole = basename(real) === "bin" && dirname(real) !== "/" ? dirname(real) : real;
  return [
    "--ro-bind",
    whole,
    whole,
    ...(folder === join(whole, "bin") || folder === whole ? [] : ["--ro-bind", real, folder]),
  ];
}

function find(program: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/bin", "/usr/bin", "/bin"];
  return folders
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}
