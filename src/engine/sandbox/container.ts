// Containers by podman or docker: a command sees its image, its working folder and its declared inputs, at paths that are the same
// on every machine, and nothing else.
import { join } from "node:path";
import { AlamodeError } from "../../errors.ts";
import { DEFAULT_PATH } from "../../plan/search-path.ts";
import { shellQuoted } from "../../plan/shell-quoted.ts";
import { imageDigestOf } from "../../record/isolation.ts";
import { readablePaths } from "./readable.ts";
import { ask, findProgram, findRuntime, imageId, type Runtime } from "./runtime.ts";
import type { Confinement, Sandbox } from "./types.ts";

/** An image may have something of its own below /home. */
const VIEW = { work: "/task", home: "/home/task", tmp: "/tmp", out: "/out" } as const;

/** Variables that the runtime itself, or what starts it, would heed: of these it gets the caller's, and the container the task's. */
const HEEDED =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|LD_(LIBRARY_PATH|PRELOAD)|SSH_AUTH_SOCK|XDG_(CONFIG|DATA|CACHE|RUNTIME)_(HOME|DIR)|_?CONTAINERS?_(CONF|HOST|SSHKEY|PROXY|STORAGE_CONF|REGISTRIES_CONF|CONF_OVERRIDE|USERNS_CONFIGURED|ROOTLESS_UID)|STORAGE_(DRIVER|OPTS)|REGISTRY_AUTH_FILE|DOCKER_(HOST|CONFIG|CONTEXT|TLS_VERIFY|CERT_PATH|API_VERSION)|(http|https|no|all)_proxy|(HTTP|HTTPS|NO|ALL)_PROXY)$/;

/**
 * Shell text that runs the client with the arguments "$@", in the step's own process group. `handed` are the variables that the
 * container gets from `handedAs`, through a pipe. A container is no child of its client: a second process, in a session of its own,
 * waits for the client's word, and where that does not come, because its group was killed, ends the container. It holds the slot's
 * FIFO (descriptor 3) until that is done; what the client starts does not.
 */
function attended(program: string, setsid: string, handed: readonly string[]): string {
  const client = shellQuoted(program);
  const lines = handed.map((name, i) => `"${name}=$${handedAs(i)}"`).join(" ");
  // printf is the shell's own: what it writes is nobody's argument.
  const values = `printf "%s\\n" ${lines}`;
  return `
name=alamode-\${ALAMODE_STEP%/*}-\${ALAMODE_STEP#*/}-$$
trap : TERM INT HUP # the client passes them on
exec 5>&1
{
  trap : TERM INT HUP
  { ${values} | ${client} run --name "$name" --env-file /dev/fd/4 "$@" >&5 4<&0 0<&6 3>&- 5>&- 6<&-; } 6<&0
  echo $?
} | (
  unset ALAMODE_STEP # whoever looks for what a step has left must not find it
  exec ${shellQuoted(setsid)} /bin/sh -c '
    read -r code && [ "$code" -lt 128 ] && exit "$code"
    "$@" >/dev/null 2>&1
    exit "\${code:-137}"' sh ${client} rm -f "$name"
)`;
}

/** Finds podman, else docker, and tries it. Throws `sandbox-unavailable`, which says what the system lacks. */
export async function openContainers(env: NodeJS.ProcessEnv = process.env): Promise<Sandbox> {
  const runtime = findRuntime(env);
  if (runtime === undefined) {
    throw unavailable("neither podman nor docker is on PATH", "Install one (Debian: apt-get install podman)");
  }
  const setsid = findProgram("setsid", env);
  if (setsid === undefined) {
    throw unavailable("there is no program setsid, by which containers are ended", "Install util-linux");
  }
  const { kind, program } = runtime;
  const said = await ask(program, ["info", "--format", "{{json .}}"], env);
  if (!said.ok) throw unavailable(`${kind} does not work: ${said.stderr.trim()}`, `Look at  ${kind} info`);
  const fixed = [
    "--rm",
    "--pull=never",
    "--log-driver=none", // the client writes the log
    "--hostname=task",
    "--read-only",
    "--security-opt=label=disable",
    `--user=${userIn(runtime, said.stdout)}`,
    ...(kind === "podman" ? ["--read-only-tmpfs=false", "--http-proxy=false"] : []),
    ...(kind === "docker" || hasInit(env) ? ["--init"] : []),
  ];
  const own = Object.entries(env).flatMap(([name, value]) =>
    HEEDED.test(name) && value !== undefined ? [[name, value] as const] : [],
  );
  /** Image digest → what the runtime calls it. */
  const images = new Map<string, string>();
  return {
    kind: "container",
    hint: `It ran in a container: what neither its image nor its spec holds (files, inputs, network: 1) is not there. Exit codes 125 to 127 may be ${kind}'s own.`,
    view: () => VIEW,
    async ready({ isolation, image }) {
      if (image === undefined) {
        throw new AlamodeError("no-image", 'it names no image, which the sandbox "container" needs', {
          hint: "Name one in its spec:  image: 'docker.io/library/debian:12'",
        });
      }
      const digest = imageDigestOf(isolation)!;
      if (images.has(digest)) return;
      const id = await imageId(runtime, { image, digest }, env);
      if (id === undefined) throw missing(kind, image, digest);
      images.set(digest, id);
    },
    wrap(confinement) {
      const { argv, isolation, slot, inputs, network, interactive } = confinement;
      const { named, handed } = variables(confinement);
      const args = [
        ...fixed,
        `--network=${network ? "host" : "none"}`,
        ...(interactive ? ["-i", ...(process.stdin.isTTY ? ["-t"] : [])] : []),
        ...named.flatMap((name) => ["--env", name]),
        ...Object.entries(VIEW).flatMap(([part, inside]) => mount(join(slot, part), inside)),
        ...readablePaths(inputs).flatMap((path) => mount(path, path, true)),
        `--workdir=${VIEW.work}`,
        "--entrypoint=",
        images.get(imageDigestOf(isolation)!)!,
        ...argv,
      ];
      const script = attended(program, setsid, Object.keys(handed));
      const others = Object.entries(confinement.env).filter(([name]) => !HEEDED.test(name));
      const inStead = Object.values(handed).map((value, i) => [handedAs(i), value] as const);
      return {
        argv: ["/bin/sh", "-c", script, "sh", ...args],
        env: Object.fromEntries([...others, ...own, ...inStead]),
      };
    },
  };
}

interface Variables {
  /** By name alone: the runtime finds their values in its own environment. */
  readonly named: readonly string[];
  /** Those that would mean something to the runtime there. */
  readonly handed: Readonly<Record<string, string>>;
}

/** The step's variables. None goes by value, since everybody can read arguments. Throws `bad-task`. */
function variables({ env }: Confinement): Variables {
  const named = ["ALAMODE_STEP"];
  const handed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (name === "PATH" && value === DEFAULT_PATH) continue; // the image says where its programs are
    if (!HEEDED.test(name)) named.push(name);
    else if (/[\r\n]/.test(value)) {
      throw new AlamodeError(
        "bad-task",
        `its variable ${name} holds a line break, which no container is given`,
        {
          hint: "Give it to the command under another name.",
        },
      );
    } else handed[name] = value;
  }
  return { named, handed };
}

/** What the shell knows the value of such a variable by. */
function handedAs(i: number): string {
  return `ALAMODE_HANDED_${i}`;
}

/** Comma and quotes have a meaning there, as in a file of comma-separated values. */
function mount(from: string, to: string, readOnly = false): string[] {
  const field = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const parts = [
    "type=bind",
    field(`source=${from}`),
    field(`target=${to}`),
    ...(readOnly ? ["readonly"] : []),
  ];
  return ["--mount", parts.join(",")];
}

/** Whom the command is in the container, so that what it writes belongs to who runs the engine. */
function userIn({ kind }: Runtime, info: string): string {
  const rootless = kind === "podman" || /"name=rootless"/.test(info);
  return rootless ? "0:0" : `${process.getuid!()}:${process.getgid!()}`;
}

/** What podman starts before the command, so that signals end it: without it the command is process 1, which ignores them. */
function hasInit(env: NodeJS.ProcessEnv): boolean {
  const known = {
    ...env,
    PATH: `${env["PATH"] ?? ""}:/usr/libexec/podman:/usr/local/libexec/podman:/usr/lib/podman`,
  };
  return findProgram("catatonit", known) !== undefined;
}

function missing(kind: Runtime["kind"], image: string, digest: string): AlamodeError {
  const planned = digest.startsWith("sha256:");
  return new AlamodeError(
    "image-missing",
    planned
      ? `its image "${image}" is not here as it was planned (${digest.slice(0, 19)})`
      : `its image "${image}" is not on this machine`,
    {
      facts: planned ? { image, digest } : { image },
      hint: `Fetch it:  ${kind} pull ${image}`,
    },
  );
}

function unavailable(why: string, wayOut: string): AlamodeError {
  return new AlamodeError("sandbox-unavailable", `the sandbox container does not work here: ${why}`, {
    hint: `${wayOut}, or run without:  --sandbox none`,
  });
}
