// Which image a tag means on this machine, by digest. It goes into meta and never into a spec: an ID must not depend on the
// machine that plans.
import { emptyMap } from "../bencode/empty-map.ts";
import type { Bnormal, BnormalMap } from "../bencode/types.ts";
import type { Plan, PlanTask } from "../plan/types.ts";
import { findRuntime, imageDigest } from "./sandbox/runtime.ts";

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
    if (typeof image === "string" && isImageName(image) && digestIn(image) === undefined) named.add(image);
  }
  const runtime = named.size === 0 ? undefined : findRuntime(env);
  if (runtime === undefined) return { plan, moved: [] };
  const known = imagesOf(plan);
  const images: Record<string, Bnormal> = Object.assign(emptyMap<Bnormal>(), known);
  const moved = [];
  for (const image of named) {
    const here = await imageDigest(runtime, image, env);
    const planned = known[image];
    if (here === undefined || here === planned) continue;
    if (typeof planned === "string") moved.push({ image, planned, here });
    else images[image] = here;
  }
  if (Object.keys(images).length === Object.keys(known).length) return { plan, moved };
  const meta: Record<string, Bnormal> = Object.assign(emptyMap<Bnormal>(), plan.meta, { images });
  return { plan: { ...plan, meta }, moved };
}

/** The digest (`sha256:<64 hex>`) of the image that a task is to be run in; undefined where that is not known here. */
export function plannedDigest(plan: Plan, { image }: PlanTask): string | undefined {
  if (typeof image !== "string" || !isImageName(image)) return undefined;
  const planned = digestIn(image) ?? imagesOf(plan)[image];
  return typeof planned === "string" && /^sha256:[0-9a-f]{64}$/.test(planned) ? planned : undefined;
}

/** What begins with a dash would be an option of the runtime's. */
function isImageName(image: string): boolean {
  return image !== "" && !image.startsWith("-");
}

function digestIn(image: string): string | undefined {
  return /@(sha256:[0-9a-f]{64})$/.exec(image)?.[1];
}

function imagesOf({ meta }: Plan): BnormalMap {
  const { images } = meta;
  const isMap = typeof images === "object" && !Array.isArray(images) && !(images instanceof Uint8Array);
  return isMap ? (images as BnormalMap) : emptyMap<Bnormal>();
}
