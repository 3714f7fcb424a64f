// Where a call begins. The build puts this, with all that it loads itself, into one file: Node.js takes 0.4 ms for each module of ours
// that it has to find, and 10 ms more where modules of its own are named by `import`. Commands are loaded when they are called.
import { version } from "../version.ts";
import { guardStdout } from "./stdout.ts";

/** Does what the arguments say. The exit code is in `process.exitCode`. */
export async function main(args: readonly string[]): Promise<void> {
  guardStdout();
  const json = args.includes("--json");
  process.once("uncaughtException", (error) => void tellUncaught(error, json));
  try {
    if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
      process.stdout.write(`${version}\n`); // without declaring the commands: half of such a call
      return;
    }
    if (args[0] === "run") {
      const { toldNothingDue } = await import("./nothing-due.ts");
      if (await toldNothingDue(args.slice(1))) return;
    }
    const { perform } = await import("./program.ts");
    await perform(args);
  } catch (error) {
    const { tell } = await import("./errors.ts");
    process.exitCode = tell(error, json);
  }
}

/** What a pipeline left running may fail later (a promise nobody awaits), and stdout may be a file on a full disk. */
async function tellUncaught(error: unknown, json: boolean): Promise<void> {
  const { tell } = await import("./errors.ts");
  const { authorsOwn } = await import("./load-module.ts");
  process.exit(tell(authorsOwn(error), json));
}
