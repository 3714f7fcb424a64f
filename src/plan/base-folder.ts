// The folder that `files('lib/**')` looks in: the pipeline's own, so that its plan is the same from wherever it is made.
// Kept under a global symbol, because the pipeline may have loaded another copy of this package than whoever loads it.

const BASE = Symbol.for("a-la-mode.base");

type Global = { [BASE]?: string | undefined };

/** The folder set by whoever loads a pipeline, else the working directory. */
export function baseFolder(): string {
  return (globalThis as Global)[BASE] ?? process.cwd();
}

/** Sets the base folder while `inner` goes on. Pipelines are to be loaded one after the other. */
export async function withBase<Result>(folder: string, inner: () => Result | Promise<Result>): Promise<Result> {
  const before = (globalThis as Global)[BASE];
  (globalThis as Global)[BASE] = folder;
  try {
    return await inner();
  } finally {
    (globalThis as Global)[BASE] = before;
  }
}
