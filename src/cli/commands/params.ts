// alamode params: what a pipeline can be given, what it is given now, and for which slot of its schedule.
import { jsonDocument } from "../../bencode/as-json.ts";
import { paramRows } from "../../plan/pipeline.ts";
import { type CommonOptions, contextOf } from "../context.ts";
import { EXIT } from "../errors.ts";
import { table } from "../format.ts";
import { openPipeline } from "../load-pipeline.ts";

const HEAD = ["parameter", "takes", "unless told", "now"];

export async function paramsCommand(options: CommonOptions): Promise<number> {
  const context = await contextOf(options);
  const opened = await openPipeline(context);
  const { schedule, slots } = opened;
  const { params: now, name } = await opened.at(slots[0]);
  const rows = opened.params === undefined ? undefined : paramRows(opened.params);
  if (options.json) {
    const params = rows?.map(([param, takes, otherwise]) => ({
      name: param,
      takes,
      otherwise,
      now: now[param] ?? "",
    }));
    const { cron, timezone } = schedule?.texts ?? {};
    const scheduled = cron === undefined ? {} : { schedule: cron, timezone: timezone! };
    process.stdout.write(
      `${jsonDocument({ pipeline: name, ...(params === undefined ? {} : { params }), ...scheduled })}\n`,
    );
    return EXIT.done;
  }
  const lines =
    rows === undefined
      ? [`${name} is a program: what it does with  -p NAME=VALUE  is its own business`]
      : rows.length === 0
        ? [`${name} takes no parameters`]
        : table([HEAD, ...rows.map((row) => [...row, now[row[0]] ?? ""])]);
  if (schedule !== undefined) {
    const { cron, timezone } = schedule.texts;
    lines.push(
      `schedule "${cron}", ${timezone}; the next slot is complete at ${schedule.clockAt(schedule.nextEnd(Date.now())).time}`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  return EXIT.done;
}
