// A pipeline's module: its default export is a dag, a function that gives one, or a `pipeline(params, fn)`.
import { dirname } from "node:path";
import { AlamodeError, isAlamodeError } from "../errors.ts";
import { isDag } from "../plan/dag.ts";
import { type Described, type DescribeRequest, describe } from "../plan/describe.ts";
import { setSourceBase } from "../plan/sources.ts";
import { authorsError, loadModule } from "./load-module.ts";
import type { Careful, DescribedPlan, OpenPipeline } from "./load-pipeline.ts";

/** What the request got wrong, rather than the author: told with the file's name alone. */
const NOT_THE_AUTHORS = new Set(["bad-params", "bad-date", "bad-schedule", "not-a-dag"]);

/** Throws as `describe` does, with the author's file and line. `careful` is what an author's code runs in. */
export async function describeModule(
  path: string,
  shown: string,
  request: DescribeRequest,
  careful: Careful,
): Promise<OpenPipeline> {
  return careful(async () => {
    setSourceBase(dirname(path));
    const exported = await loadModule(path);
    if (!("default" in exported)) {
      const dag = Object.keys(exported).find((key) => isDag(exported[key]));
      throw new AlamodeError("no-default-export", `${shown} has no default export`, {
        hint: `End it with  export default ${dag ?? "dag"}`,
      });
    }
    const description = await told(() => describe(exported["default"], request), path, shown);
    return {
      ...description,
      at: (slot) =>
        careful(async () => {
          setSourceBase(dirname(path));
          return planned(await told(() => description.at(slot), path, shown), path);
        }),
    };
  });
}

async function told<T>(work: () => Promise<T>, path: string, shown: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isAlamodeError(error) || !NOT_THE_AUTHORS.has(error.code)) throw authorsError(error, path);
    const { facts, hint } = error;
    throw new AlamodeError(error.code, `${shown}: ${error.message}`, {
      facts,
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  }
}

function planned({ dag, params }: Described, path: string): DescribedPlan {
  try {
    return { plan: dag.encode(), params };
  } catch (error) {
    throw isAlamodeError(error) ? authorsError(error, path) : error;
  }
}
