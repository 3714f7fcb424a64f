// alamode path: where a task's output lies, for scripts.

import { jsonLine } from "../../bencode/as-json.ts";
import { producedPath } from "../../engine/output-path.ts";
import { type CommonOptions, contextOf, withBoth } from "../context.ts";
import { EXIT, tell } from "../errors.ts";
import { taskOf } from "../goals.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { notMade, readable } from "../lookup.ts";

export async function pathCommand(what: string, options: CommonOptions): Promise<number> {
  const context = await contextOf(options);
  const { plan } = await loadPipeline(context);
  const { name, task } = taskOf(plan, what, "path");
  return withBoth({ ...context, look: true }, async (opened) => {
    const made = await readable(opened, task.output, name);
    if (made === undefined) {
      tell(notMade(context, name), options.json === true);
      return EXIT.failed;
    }
    const { success } = made;
    const path = producedPath(made.path, task);
    const { output } = task;
    process.stdout.write(
      options.json
        ? `${jsonLine({ task: name, output, path, treeDigest: success.treeDigest })}\n`
        : `${path}\n`,
    );
    return EXIT.done;
  });
}
