// alamode publish: puts what is made where its option `publish` says, and runs nothing.
import { jsonLine } from "../../bencode/as-json.ts";
import { ConfiguredOptions } from "../../engine/options.ts";
import { publicationsOf } from "../../engine/publications.ts";
import { keptFolders, publish } from "../../engine/publish.ts";
import { AlamodeError } from "../../errors.ts";
import { selectTasks } from "../../plan/select.ts";
import { type CommonOptions, contextOf, withExisting } from "../context.ts";
import { EXIT, tell } from "../errors.ts";
import { herePath, nameText } from "../format.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { notMade } from "../lookup.ts";

export async function publishCommand(patterns: readonly string[], options: CommonOptions): Promise<number> {
  const context = await contextOf(options);
  const { plan } = await loadPipeline(context);
  const json = options.json === true;
  return withExisting(context, async ({ store, record }) => {
    const configured = new ConfiguredOptions(context.settings.options);
    const places = { record, stores: store, project: context.project };
    const publications = publicationsOf(plan, configured, keptFolders(places));
    const tasks = patterns.length === 0 ? [...publications.keys()] : selectTasks(plan, patterns);
    const nowhere = tasks.find((task) => !publications.has(task));
    if (tasks.length === 0 || nowhere !== undefined) throw notPublished(nowhere);
    let bad = 0;
    for (const task of tasks) {
      const found = await publish(plan, task, publications.get(task)!, places);
      if (found.kind === "published") {
        const { path, changed } = found;
        const { output } = plan.tasks[task]!;
        process.stdout.write(
          json
            ? `${jsonLine({ task, output, path, changed })}\n`
            : `${nameText(task)} → ${herePath(path, context.cwd)}\n`,
        );
        continue;
      }
      bad++;
      tell(found.kind === "refused" ? found.error : notMade(context, task), json);
    }
    return bad > 0 ? EXIT.failed : EXIT.done;
  });
}

function notPublished(task: string | undefined): AlamodeError {
  const what = task === undefined ? "no task of this pipeline says" : `task "${task}" does not say`;
  return new AlamodeError("not-published", `${what} where to publish it`, {
    hint: `Give it the option  publish: 'results/${task ?? "report.html"}'  or copy it once:  alamode get ${task ?? "TASK"}`,
  });
}
