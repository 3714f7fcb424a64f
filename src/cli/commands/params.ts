// alamode params: what a pipeline can be given, what it is given now, and for which slot of its schedule.

import { relative } from "node:path";
import { jsonDocument } from "../../bencode/as-json.ts";
import { chooseValues, paramRows } from "../../plan/pipeline.ts";
import { DAILY, openSchedule } from "../../plan/schedule.ts";
import { type CommonOptions, type Context, contextOf } from "../context.ts";
import { EXIT } from "../errors.ts";
import { table } from "../format.ts";
import { givenParams } from "../given-params.ts";
import { openPipeline, type Pipeline, type Slots } from "../load-pipeline.ts";
import { warn } from "../warn.ts";

/** What it is given for the last slot, and its name, though its data may not be there: which is told then. */
async function lastSlot(context: Context, opened: Slots): Promise<Pick<Pipeline, "name" | "params">> {
  const [slot] = opened.slots;
  try {
    return await opened.at(slot);
  } catch (error) {
    const { params, schedule } = opened;
    if (params === undefined) throw error;
    const known = schedule ?? (await openSchedule(DAILY));
    const given = givenParams(context.options, context.cwd);
    const clock = known.clockAt((slot ?? known.lastComplete(Date.now())[0]!).startsAt);
    warn([
      `it cannot be described now${schedule === undefined ? ", and so its schedule is not known" : ""}: ${error instanceof Error ? error.message : error}`,
    ]);
    const { name } = await opened
      .at(undefined)
      .catch(() => ({ name: relative(context.project, opened.file) }));
    return { name, params: chooseValues(params, { params: given, slot: clock }).texts };
  }
}

const HEAD = ["parameter", "takes", "unless told", "now"];

export async function paramsCommand(options: CommonOptions): Promise<number> {
  const context = await contextOf(options);
  const opened = await openPipeline(context, { anySlot: true });
  const { params: now, name } = await lastSlot(context, opened);
  const { schedule } = opened;
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
