// alamode plan: the encoded pipeline, for people to read, or as the file that any engine can perform.
import { resolve } from "node:path";
import { jsonDocument } from "../../bencode/as-json.ts";
import { pinImages } from "../../engine/images.ts";
import { ConfiguredOptions } from "../../engine/options.ts";
import { throwAll } from "../../engine/problems.ts";
import { sqlForFiles } from "../../engine/sql-destination.ts";
import type { AlamodeError } from "../../errors.ts";
import { bencodePlan } from "../../plan/encode.ts";
import { keepModule, modulesIn } from "../../plan/module-keep.ts";
import { pp } from "../../plan/pp.ts";
import { writeWhole } from "../../plan/save.ts";
import { sourcesOf } from "../../plan/sources.ts";
import type { Plan } from "../../plan/types.ts";
import { openStore, storeOfFiles } from "../../project.ts";
import { type CommonOptions, contextOf } from "../context.ts";
import { EXIT } from "../errors.ts";
import { count, herePath } from "../format.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { warn } from "../warn.ts";

export interface PlanFlags extends CommonOptions {
  readonly output?: string;
}

/** Tasks that are SQL, and go to a store of files: `filesOf` gives that store's name. */
function sqlProblems({ tasks }: Plan, filesOf: (task: string) => string | undefined): AlamodeError[] {
  return Object.keys(tasks).flatMap((task) => {
    const files = tasks[task]!["sql"] === undefined ? undefined : filesOf(task);
    return files === undefined ? [] : [sqlForFiles(task, files)];
  });
}

export async function planCommand(options: PlanFlags): Promise<number> {
  const context = await contextOf(options);
  const { plan: described, warnings } = await loadPipeline(context);
  const { plan } = await pinImages(described);
  warn(warnings);
  const configured = new ConfiguredOptions(context.settings.options);
  throwAll(configured.problems(plan));
  throwAll(
    sqlProblems(plan, (task) => storeOfFiles(configured.of(plan, task).store, context, context.settings)),
  );
  const { output } = options;
  if (output === undefined) {
    process.stdout.write(options.json ? `${jsonDocument(plan)}\n` : `${pp(plan).trimEnd()}\n`);
    return EXIT.done;
  }
  const store = await openStore(context);
  try {
    for (const { sha256, file } of sourcesOf(plan)) {
      if (file !== undefined) await store.keepSource(sha256, file);
    }
    for (const module of modulesIn(Object.values(plan.tasks))) await keepModule(module, store);
  } finally {
    await store.close();
  }
  if (output === "-") {
    process.stdout.write(bencodePlan(plan));
    return EXIT.done;
  }
  const path = resolve(context.cwd, output);
  await writeWhole(path, [bencodePlan(plan)]);
  process.stderr.write(
    `wrote ${herePath(path, context.cwd)}: ${count(Object.keys(plan.tasks).length, "task")}\n`,
  );
  return EXIT.done;
}
