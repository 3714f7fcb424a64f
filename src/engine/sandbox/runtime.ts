// The container runtime of this machine: which there is, and what it says of images. Nothing is ever pulled.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

export interface Runtime {
  readonly kind: "podman" | "docker";
  /** Absolute path. */
  readonly program: string;
  /** Where it tells an image's digest. */
  readonly format: string;
}

/** The first that is installed is the one. */
const RUNTIMES = [
  { kind: "podman", format: "{{.Digest}}" },
  { kind: "docker", format: "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}" },
] as const;

/** A runtime that hangs (a daemon that does not answer) is given up. */
const ASK_MS = 30_000;

export function findRuntime(env: NodeJS.ProcessEnv): Runtime | undefined {
  for (const { kind, format } of RUNTIMES) {
    const program = findProgram(kind, env);
    if (program !== undefined) return { kind, program, format };
  }
  return undefined;
}

/** Absolute path of a program on the caller's PATH. */
export function findProgram(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return (env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** `sha256:<64 hex>`; undefined where the image is not on this machine, or the runtime does not work. */
export async function imageDigest(
  { program, format }: Runtime,
  image: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const told = await ask(program, ["image", "inspect", "--format", format, image], env);
  return /sha256:[0-9a-f]{64}/.exec(told.stdout)?.[0];
}

/** What the runtime calls the image with this digest: by the name that is given, else by that name with the digest. */
export async function imageId(
  runtime: Runtime,
  { image, digest }: { readonly image: string; readonly digest: string },
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  // localhost:5000/base:1@sha256:… → localhost:5000/base
  const repository = image.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  for (const name of [image, `${repository}@${digest}`, digest]) {
    const format = `${runtime.format} {{.Id}}`;
    const told = await ask(runtime.program, ["image", "inspect", "--format", format, name], env);
    const [found, id] = /(sha256:[0-9a-f]{64}) (\S+)/.exec(told.stdout)?.slice(1) ?? [];
    if (found === digest) return id;
  }
  return undefined;
}

export interface Told {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the runtime's to its end. */
export function ask(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Told> {
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: ASK_MS }, (error, stdout, stderr) => {
      resolve({ ok: error === null, stdout, stderr: stderr || (error?.message ?? "") });
    });
  });
}
