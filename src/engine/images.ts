// Which image a tag means on this machine, by digest. It goes into meta and never into a spec: an ID must not depend on the
// machine that plans.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { emptyMap } from "../bencode/empty-map.ts";
import type { Bnormal, BnormalMap } from "../bencode/types.ts";
import type { Plan } from "../plan/types.ts";

/** Container runtimes that are asked, the first that is installed, and where each tells an image's digest. */
const RUNTIMES = [
  { program: "podman", format: "{{.Digest}}" },
  { program: "docker", format: "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}" },
];

export interface Pinned {
  readonly plan: Plan;
  /** Images whose tag means another image here than when the plan was made. */
  readonly moved: readonly { readonly image: string; readonly planned: string; readonly here: string }[];
}

/**
 * The plan with `meta.images` ({ image: digest }) for the images that its tasks name by tag and that are on this machine.
 * What the plan says already stays. Without images, or a container runtime, the plan itself.
 */
export async function pinImages(plan: Plan, env: NodeJS.ProcessEnv = process.env): Promise<Pinned> {
  const named = new Set<string>();
  for (const task of Object.values(plan.tasks)) {
    const { image } = task;
    if (typeof image === "string" && image !== "" && !image.startsWith("-") && !image.includes("@sha256:"))
      named.add(image);
  }
  const runtime = named.size === 0 ? undefined : RUNTIMES.find(({ program }) => isInstalled(program, env));
  if (runtime === undefined) return { plan, moved: [] };
  const known = imagesOf(plan);
  const images: Record<string, Bnormal> = Object.assign(emptyMap<Bnormal>(), known);
  const moved = [];
  for (const image of named) {
    const here = await digestOf(image, runtime, env);
    const planned = known[image];
    if (here === undefined || here === planned) continue;
    if (typeof planned === "string") moved.push({ image, planned, here });
    else images[image] = here;
  }
  if (Object.keys(images).length === Object.keys(known).length) return { plan, moved };
  const meta: Record<string, Bnormal> = Object.assign(emptyMap<Bnormal>(), plan.meta, { images });
  return { plan: { ...plan, meta }, moved };
}

function imagesOf({ meta }: Plan): BnormalMap {
  const { images } = meta;
  const isMap = typeof images === "object" && !Array.isArray(images) && !(images instanceof Uint8Array);
  return isMap ? (images as BnormalMap) : emptyMap<Bnormal>();
}

/** `sha256:<64 hex>`; undefined where the image is not on this machine, or the runtime does not work. Nothing is pulled. */
function digestOf(
  image: string,
  { program, format }: (typeof RUNTIMES)[number],
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(
      program,
      ["image", "inspect", "--format", format, image],
      { env, timeout: 10_000 },
      (error, stdout) => {
        resolve(error === null ? /sha256:[0-9a-f]{64}/.exec(stdout)?.[0] : undefined);
      },
    );
  });
}

function isInstalled(program: string, env: NodeJS.ProcessEnv): boolean {
  return (env["PATH"] ?? "")
    .split(delimiter)
    .some((folder) => isAbsolute(folder) && existsSync(join(folder, program)));
}
