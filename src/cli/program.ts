// Declares the commands. Each one's code is loaded when it is called, so that --help and --version load next to nothing.
import { type Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { version } from "../version.ts";

/** What a command's function is: it takes the arguments and options as parsed, and returns the exit code. */
// biome-ignore lint/suspicious/noExplicitAny: Commander hands over what the declarations below say
type Action = (...args: any[]) => Promise<number>;

const DATE = "the slot of the schedule to describe it for (default: the last complete one)";
const DATES: Readonly<Record<string, string>> = { run: `${DATE}, or many: 2026-11-01..2026-11-07` };
const SANDBOX = "how commands are shut in: none, bubblewrap, container (default: none)";

const program = new Command("alamode")
  .description("Runs data pipelines: nothing is made twice, and no earlier result is lost.")
  .version(version, "-V, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .helpCommand("help [command]", "print the help of a command")
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(withWayOut(text.replace(/^error: /, "alamode: "))) })
  .configureHelp({
    // `help` works, but need not be listed; `complete` is for shells.
    visibleCommands: (shown) => shown.commands.filter((one) => one.name() !== "complete"),
    subcommandTerm: (shown) => [shown.name(), ...shown.registeredArguments.map(argumentTerm)].join(" "),
  })
  .addHelpText(
    "after",
    "\nHelp on one of them: alamode run --help\n\nBegin with:\n  $ alamode init\n  $ alamode run",
  );

program.commandsGroup("Make things:");
command("init", "write a first pipeline to start from", () =>
  import("./commands/init.ts").then((m) => m.init),
)
  .argument("[dir]", "folder to write into", ".")
  .option("--from <example>", "write an example instead: collage, daily, module, python, sweep, weather")
  .addHelpText(
    "after",
    example(
      "alamode init my-pipeline && cd my-pipeline && alamode run",
      "alamode init --from weather weather",
    ),
  );

command("run", "bring tasks up to date", () => import("./commands/run.ts").then((m) => m.runCommand))
  .argument("[tasks...]", "task names or patterns; all that nothing depends on, if none")
  .option("-j, --jobs <n>", "how many tasks run at once (default: the number of cores)", wholeNumber)
  .option("-k, --keep-going", "after a failure, go on with all that does not need it")
  .option("--force", "run the named tasks again, though they are done")
  .option("--dry-run", "only tell what would run, and why: the same as alamode status")
  .option("--sandbox <kind>", SANDBOX)
  .option("--logs", "show what the tasks print, as they print it")
  .option("--json", "print what happens as JSON, one object a line")
  .addHelpText(
    "after",
    example("alamode run", "alamode run blur 'align/*'", "alamode run -f other.dag --jobs 8"),
  );

command("schedule", "stay running, and run each slot of the schedule as soon as it is complete", () =>
  import("./commands/schedule.ts").then((m) => m.scheduleCommand),
)
  .argument("[tasks...]", "task names or patterns; all that nothing depends on, if none")
  .option("--once", "run what is due now, and end: for another clock to call")
  .addOption(new Option("--systemd", "print a unit and its timer that do").conflicts("cron"))
  .option("--cron", "print a line for crontab that does")
  .option("-j, --jobs <n>", "how many tasks run at once (default: the number of cores)", wholeNumber)
  .option("-k, --keep-going", "after a failure, go on with all of the slot that does not need it")
  .option("--sandbox <kind>", SANDBOX)
  .option("--logs", "show what the tasks print, as they print it")
  .option("--json", "print what happens as JSON, one object a line")
  .addHelpText(
    "after",
    example("alamode schedule", "alamode schedule -f daily.ts -p k=4", "alamode schedule --systemd"),
  );

command("status", "what would run now, and why", () =>
  import("./commands/status.ts").then((m) => m.statusCommand),
)
  .argument("[tasks...]", "task names or patterns")
  .option("--sandbox <kind>", SANDBOX)
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode status", "alamode status report"));

command("plan", "encode the pipeline: print it, or write it to a file", () =>
  import("./commands/plan.ts").then((m) => m.planCommand),
)
  .option("-o, --output <file>", "write the plan file there (- for stdout); its code is kept in the store")
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode plan", "alamode plan -o pipeline.dag"));

command("params", "list what the pipeline can be given, and its schedule", () =>
  import("./commands/params.ts").then((m) => m.paramsCommand),
)
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode params", "alamode params -p k=4"));

command("exec", "take one step of a plan; its inputs must be done", () =>
  import("./commands/exec.ts").then((m) => m.execCommand),
)
  .argument("<task>", "the task's name")
  .option("--sandbox <kind>", SANDBOX)
  .option("--json", "print what happens as JSON, one object a line")
  .addHelpText("after", example("alamode exec -f pipeline.dag blur"));

command("shell", "open a shell in a step, set up just as its command finds it", () =>
  import("./commands/shell.ts").then((m) => m.shellCommand),
)
  .argument("<task>", "the task's name")
  .option("--sandbox <kind>", SANDBOX)
  .addHelpText("after", example("alamode shell blur"));

program.commandsGroup("Look at results:");
command("ls", "list what is made", () => import("./commands/ls.ts").then((m) => m.lsCommand))
  .argument("[task]", "list the files of this task's output instead")
  .option("--tasks", "print only the names of all tasks")
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode ls", "alamode ls collage"));

command("path", "print where a task's output lies", () =>
  import("./commands/path.ts").then((m) => m.pathCommand),
)
  .argument("<task>", "the task's name")
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode path collage", 'open "$(alamode path collage)"'));

command("get", "copy a task's output to where you want it", () =>
  import("./commands/get.ts").then((m) => m.getCommand),
)
  .argument("<task>", "the task's name")
  .argument("[dest]", "path to copy to (default: the task's name, here)")
  .option("--force", "replace what lies there")
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode get collage collage.png"));

command("publish", "put results where the option publish says, and run nothing", () =>
  import("./commands/publish.ts").then((m) => m.publishCommand),
)
  .argument("[tasks...]", "task names or patterns; all that say where, if none")
  .option("--json", "print JSON, one object a line")
  .addHelpText("after", example("alamode publish", "alamode publish report"));

command("show", "tell all about an output or a run", () =>
  import("./commands/show.ts").then((m) => m.showCommand),
)
  .argument("<what>", "a task's name, the beginning of an ID, or the number of a run")
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode show collage", "alamode show 25adad19", "alamode show 13"));

command("verify", "run done tasks again and compare, or hash what is stored", () =>
  import("./commands/verify.ts").then((m) => m.verifyCommand),
)
  .argument("[tasks...]", "task names or patterns; all that are done, if none")
  .option("--stored", "run nothing: hash what the store holds, and compare that with the record")
  .addOption(
    new Option("--sample <share>", "only a random share, such as 5%")
      .argParser(percentage)
      .conflicts("stored"),
  )
  .addOption(new Option("--seed <text>", "choose the same share again").conflicts("stored"))
  .option("-j, --jobs <n>", "how many tasks run at once (default: the number of cores)", wholeNumber)
  .option("--sandbox <kind>", "how commands are shut in (default: as when they were made)")
  .option("--json", "print what happens as JSON, one object a line")
  .addHelpText(
    "after",
    example("alamode verify", "alamode verify 'align/*' --sample 5%", "alamode verify --stored"),
  );

command("push", "copy what is made to another store: a team's, say", () =>
  import("./commands/transfer.ts").then((m) => m.pushCommand),
)
  .argument("[tasks...]", "task names or patterns; all of the pipeline, if none")
  .requiredOption(
    "--to <store>",
    "the other store: a folder, s3://bucket/prefix, or a name from alamode.config.ts",
  )
  .option(
    "--to-record <record>",
    "the record that is to know of it: a file or postgres://… (default: this one)",
  )
  .option("--json", "print what happens as JSON, one object a line")
  .addHelpText(
    "after",
    example(
      "alamode push --to team",
      "alamode push report --to s3://bucket/team --to-record postgres://db/team",
    ),
  );

command("pull", "copy what others made from their store", () =>
  import("./commands/transfer.ts").then((m) => m.pullCommand),
)
  .argument("[tasks...]", "task names or patterns; all of the pipeline, if none")
  .requiredOption(
    "--from <store>",
    "the other store: a folder, s3://bucket/prefix, or a name from alamode.config.ts",
  )
  .option("--from-record <record>", "the record that knows of it: a file or postgres://… (default: this one)")
  .option("--json", "print what happens as JSON, one object a line")
  .addHelpText("after", example("alamode pull report --from team --from-record postgres://db/team"));

program.commandsGroup("Look back:");
command("log", "print what a task printed, the last time it ran", () =>
  import("./commands/log.ts").then((m) => m.logCommand),
)
  .argument("<task>", "a task's name, the beginning of an output's ID, or an execution")
  .option("--follow", "wait for more, until the task ends")
  .option("--attempt <n>", "of its last run, this attempt", wholeNumber)
  .addHelpText("after", example("alamode log blur", "alamode log blur --follow"));

command("runs", "list the runs, newest first", () => import("./commands/runs.ts").then((m) => m.runsCommand))
  .option("-n, --limit <n>", "how many", wholeNumber, 20)
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode runs", "alamode runs --limit 100"));

command("diff", "compare two pipelines: what was changed, and what that changes", () =>
  import("./commands/diff.ts").then((m) => m.diffCommand),
)
  .argument("<old>", "a pipeline file, a .dag file, or the number of a run")
  .argument("[new]", "the same (default: the pipeline as it is now)")
  .option("--json", "print JSON, with every changed value")
  .addHelpText("after", example("alamode diff 12", "alamode diff yesterday.dag today.dag"));

for (const declared of program.commands) if (declared.name() !== "init") withPlaces(declared);

program.commandsGroup("For a team:");
const record = program
  .command("record")
  .description("What happened, as a whole.")
  .summary("move the record to a team's database, or back")
  .helpOption("-h, --help", "print this help")
  .addHelpText("after", example("alamode record copy .alamode/record.db postgres://db.example.org/team"));
command(
  "copy",
  "copy all of a record to another place, or bring such a copy up to date",
  () => import("./commands/record-copy.ts").then((m) => m.recordCopyCommand),
  record,
)
  .argument("<from>", "a record's file or postgres:// URL")
  .argument("<to>", "the same; it must be new, or an earlier copy")
  .option("--json", "print JSON")
  .addHelpText("after", example("alamode record copy .alamode/record.db postgres://db.example.org/team"));
withStoreAndRecord(
  command(
    "forget-store",
    "mark what lies in a store that is gone for good as lost, so that it is made again",
    () => import("./commands/record-forget-store.ts").then((m) => m.forgetStoreCommand),
    record,
  )
    .argument("<id>", "the store's name in the record: 16 hex digits, as the error says that asked for this")
    .option("--json", "print JSON")
    .addHelpText("after", example("alamode record forget-store 3f9ac04e51b7d286")),
);

program.commandsGroup("For the shell:");
command("completion", "print what lets a shell complete commands, options and tasks", () =>
  import("./commands/completion.ts").then((m) => m.completionCommand),
)
  .argument("<shell>", "bash, zsh or fish")
  .addHelpText("after", example("source <(alamode completion bash)"));
command("complete", "what can follow on a command line", () =>
  import("./commands/completion.ts").then(
    (m) => (words: string[], flags: { line?: string }) => m.completeCommand(program, words, flags),
  ),
)
  .argument("[words...]", "the line's words, the last one as far as it is typed")
  .option("--line <text>", "the line, up to the cursor");

/** Does what the arguments say. The exit code is in `process.exitCode`. */
export async function perform(args: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(args.length === 0 ? ["--help"] : args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}

/** Declares a command, of a group where one is named. `load` is called when it is used. */
function command(name: string, summary: string, load: () => Promise<Action>, group = program): Command {
  return group
    .command(name)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    .summary(summary)
    .helpOption("-h, --help", "print this help")
    .action(async (...args: unknown[]) => {
      const action = await load();
      process.exitCode = await action(...args.slice(0, -1));
    });
}

/** What every command but `init` takes. */
function withPlaces(declared: Command): void {
  const pipeline = declared
    .optionsGroup("Which pipeline, and where:")
    .option(
      "-f, --file <pipeline>",
      "a module, a .dag file, or a program that prints a plan (default: pipeline.ts)",
    )
    .option("-p, --param <name=value>", "set a parameter of the pipeline; again for more", repeated)
    .option("--params <file>", "set parameters by a JSON file")
    .option("--date <date>", DATES[declared.name()] ?? DATE);
  withStoreAndRecord(pipeline);
}

function withStoreAndRecord(declared: Command): void {
  declared
    .option(
      "--store <dir>",
      "folder of the store, or s3://bucket/prefix (default: .alamode; or ALAMODE_STORE)",
    )
    .option("--record <place>", "file or postgres:// URL of the record (default: .alamode/record.db)");
}

/** An option that nobody knows may be meant as a parameter of the pipeline. */
function withWayOut(text: string): string {
  const [, name] = /unknown option '--(?!no-)(\w+)(?:=.*)?'\n$/.exec(text) ?? [];
  return name === undefined
    ? text
    : `${text}  Options are listed by  --help; a parameter of the pipeline is set by  -p ${name}=…\n`;
}

function example(...lines: string[]): string {
  return `\nExample${lines.length > 1 ? "s" : ""}:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}

function argumentTerm(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function repeated(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return Number(text);
}

/** `5%` or `0.5%` as a part of one. */
function percentage(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text) ?? [];
  const share = Number(digits) / 100;
  if (digits === undefined || share <= 0 || share > 1)
    throw new InvalidArgumentError("It must be a percentage, such as 5%.");
  return share;
}
