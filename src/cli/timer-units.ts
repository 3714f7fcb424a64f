// A schedule in the terms of systemd and of cron, whose clocks then call `alamode schedule --once`.
import { AlamodeError } from "../errors.ts";
import type { Schedule } from "../plan/schedule.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./errors.ts";
import { shellWord } from "./format.ts";

export interface TimerRequest {
  readonly schedule: Schedule;
  readonly name: string;
}

/** Prints the text, and how to install it as a comment. Throws `bad-schedule` where the schedule cannot be said in these terms. */
export function printTimer(
  context: Context,
  { schedule, name }: TimerRequest,
  kind: "systemd" | "cron",
): number {
  const words = [
    process.execPath,
    process.argv[1]!,
    ...process.argv.slice(2).filter((word) => word !== `--${kind}`),
    "--once",
  ];
  const environment = ["ALAMODE_STORE", "ALAMODE_RECORD"].flatMap((variable) => {
    const value = process.env[variable];
    return value === undefined || value === "" ? [] : [[variable, value] as const];
  });
  const call = { cwd: context.cwd, words, environment, name };
  const { cron, timezone } = schedule.texts;
  const text = kind === "systemd" ? systemdUnits(cron, timezone, call) : crontabLine(cron, timezone, call);
  process.stdout.write(text);
  return EXIT.done;
}

export interface TimerCall {
  readonly cwd: string;
  readonly words: readonly string[];
  readonly environment: readonly (readonly [string, string])[];
  /** The pipeline's. */
  readonly name: string;
}

const MACROS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Seconds, minutes, hours, days, months and days of the week. */
function fieldsOf(cron: string): readonly string[] {
  const fields = (MACROS[cron.toLowerCase()] ?? cron).split(/\s+/);
  return fields.length === 5 ? ["0", ...fields] : fields;
}

/** Numbers, names, ranges and steps; not the last day of a month, the nth of a week and their like. */
const CRONTAB_FIELD = /^(?:(?:\*|\d+|[a-z]{3})(?:-(?:\d+|[a-z]{3}))?(?:\/\d+)?(?:,(?!$)|$))+$/i;

/** A line for `crontab -e`. Times are by the clock of the machine unless it says another zone. */
export function crontabLine(
  cron: string,
  timezone: string,
  { cwd, words, environment, name }: TimerCall,
  here = Intl.DateTimeFormat().resolvedOptions().timeZone,
): string {
  const [seconds, ...fields] = fieldsOf(cron);
  if (seconds !== "0" || fields.some((field) => !CRONTAB_FIELD.test(field))) throw unsaid(cron, "cron");
  const variables = environment.map(([variable, value]) => `${variable}=${shellWord(value)} `).join("");
  const command = `cd ${shellWord(cwd)} && ${variables}${words.map(shellWord).join(" ")}`.replaceAll(
    "%",
    "\\%",
  );
  const lines = [`# ${name}: add this by  crontab -e`];
  if (timezone !== here) {
    lines.push(
      `# ${timezone} is not this machine's time zone (${here}). Where cron does not know CRON_TZ, as Debian's, write the times by its clock.`,
      `CRON_TZ=${timezone}`,
    );
  }
  lines.push(`${fields.join(" ")} ${command}`);
  return `${lines.join("\n")}\n`;
}

/** A service and its timer. */
export function systemdUnits(
  cron: string,
  timezone: string,
  { cwd, words, environment, name }: TimerCall,
): string {
  const unit = `alamode-${name.replace(/[^\w.-]+/g, "-")}`;
  const calendars = calendarsOf(cron).map((calendar) => `OnCalendar=${calendar} ${timezone}`);
  return `${[
    `# Put the parts into these two files, and then:  systemctl --user enable --now ${unit}.timer`,
    "",
    `# ~/.config/systemd/user/${unit}.service`,
    "[Unit]",
    `Description=${name}, by A La Mode`,
    "",
    "[Service]",
    "Type=oneshot",
    `WorkingDirectory=${cwd.replaceAll("%", "%%")}`,
    ...environment.map(([variable, value]) => `Environment=${unitWord(`${variable}=${value}`)}`),
    `ExecStart=${words.map(unitWord).join(" ")}`,
    "",
    `# ~/.config/systemd/user/${unit}.timer`,
    "[Unit]",
    `Description=Schedule of ${name}`,
    "",
    "[Timer]",
    ...calendars,
    "Persistent=true",
    "",
    "[Install]",
    "WantedBy=timers.target",
  ].join("\n")}\n`;
}

/** A word of a unit file: `%` and `$` are the program's own, quotes where they are needed. */
function unitWord(text: string): string {
  const escaped = text.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w./:=@%+,-]+$/.test(escaped) ? escaped : `"${escaped.replace(/[\\"]/g, "\\$&")}"`;
}

/** OnCalendar texts: two where cron means either of a day of the month and one of the week. */
export function calendarsOf(cron: string): string[] {
  const [second, minute, hour, day, month, weekday] = fieldsOf(cron) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const time = [hour, minute, second].map((field) => calendarField(field, cron, [])).join(":");
  const months = calendarField(month, cron, MONTHS, 1);
  const days = calendarField(day, cron, [], 1);
  const weekdays = weekday === "*" || weekday === "?" ? "" : `${weekdaysText(weekday, cron)} `;
  if (weekdays === "" || days === "*") return [`${weekdays}*-${months}-${days} ${time}`];
  return [`*-${months}-${days} ${time}`, `${weekdays}*-${months}-* ${time}`];
}

/** A list of numbers, ranges and steps. `names` are for `first` and what follows. */
function calendarField(field: string, cron: string, names: readonly string[], first = 0): string {
  const parts = field.split(",").map((part) => {
    const [, from = "", to, step] = /^([a-z\d]+|[*?])(?:-([a-z\d]+))?(?:\/(\d+))?$/i.exec(part) ?? [];
    const number = (text: string) => {
      const at = names.indexOf(text.toLowerCase());
      if (at === -1 && !/^\d+$/.test(text)) throw unsaid(cron, "systemd");
      return at === -1 ? String(Number(text)) : String(at + first);
    };
    const every = step === undefined ? "" : `/${Number(step)}`;
    if (from === "*" || from === "?") return step === undefined ? "*" : `${first}${every}`;
    return to === undefined ? `${number(from)}${every}` : `${number(from)}..${number(to)}${every}`;
  });
  return parts.includes("*") ? "*" : parts.join(",");
}

/** `Mon..Fri`, `Sat,Sun`: systemd knows days of the week by name only. */
function weekdaysText(field: string, cron: string): string {
  const days = new Set<number>();
  for (const part of field.split(",")) {
    const [, from = "", to, step] = /^([a-z]+|\d)(?:-([a-z]+|\d))?(?:\/(\d+))?$/i.exec(part) ?? [];
    const number = (text: string) => {
      const at = DAYS.indexOf(text.toLowerCase());
      if (at === -1 && !/^[0-7]$/.test(text)) throw unsaid(cron, "systemd");
      return at === -1 ? Number(text) : at;
    };
    const last = to === undefined ? number(from) : number(to) || 7;
    for (let day = number(from); day <= last; day += Number(step ?? 1)) days.add(day % 7);
  }
  return [...days]
    .sort((a, b) => a - b)
    .map((day) => `${DAYS[day]![0]!.toUpperCase()}${DAYS[day]!.slice(1)}`)
    .join(",");
}

function unsaid(cron: string, where: string): AlamodeError {
  return new AlamodeError("bad-schedule", `the schedule "${cron}" cannot be said in ${where}'s terms`, {
    hint: "Keep  alamode schedule  running instead.",
  });
}
