// alamode record copy: all of a record to another place: from a file to a team's database, or back.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { jsonLine } from "../../bencode/as-json.ts";
import { AlamodeError } from "../../errors.ts";
import { isUrl, openTables, shownPlace } from "../../project.ts";
import { copyRecord } from "../../record/copy.ts";
import { refuseFolder } from "../context.ts";
import { EXIT } from "../errors.ts";
import { count, shellWord } from "../format.ts";

export async function recordCopyCommand(
  from: string,
  to: string,
  options: { readonly json?: boolean },
): Promise<number> {
  const [source, target] = [from, to].map((place) => (isUrl(place) ? place : resolve(place)));
  if (source === target)
    throw new AlamodeError("same-record", `${shownPlace(from)} would be copied to itself`);
  if (!isUrl(source!) && !existsSync(source!)) {
    throw new AlamodeError("no-record", `there is no record ${from}`, {
      hint: "A project's own is  .alamode/record.db",
    });
  }
  for (const place of [source!, target!]) refuseFolder(place, process.cwd());
  const read = await openTables(source!);
  try {
    const written = await openTables(target!);
    try {
      const { rows } = await copyRecord(read, written, progress());
      const [runs, successes, plans] = ["runs", "successes", "plans"].map((table) => rows.get(table) ?? 0);
      if (options.json) {
        process.stdout.write(
          `${jsonLine({ from: read.url, to: written.url, rows: Object.fromEntries(rows) })}\n`,
        );
      } else {
        const what = `${count(runs!, "run")}, ${count(plans!, "plan")}, ${successes} ${successes === 1 ? "success" : "successes"}`;
        process.stdout.write(`copied ${what}\n`);
        process.stderr.write(`use it:  alamode run --record ${shellWord(shownPlace(to))}\n`);
      }
      return EXIT.done;
    } finally {
      await written.close();
    }
  } finally {
    await read.close();
  }
}

/** On a terminal, one line that says how far it is. */
function progress(): (rows: number) => void {
  if (process.stderr.isTTY !== true) return () => {};
  return (rows) => process.stderr.write(`\r\x1b[K${rows} rows\r`);
}
