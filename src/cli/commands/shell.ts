// alamode shell: a shell where and how a task's command starts.
import { spawn } from "node:child_process";
import { openShell, type Shell } from "../../engine/shell.ts";
import { contextOf, type SandboxOptions, sandboxOf, withBoth } from "../context.ts";
import { EXIT } from "../errors.ts";
import { taskOf } from "../goals.ts";
import { loadPipeline } from "../load-pipeline.ts";

export async function shellCommand(what: string, options: SandboxOptions): Promise<number> {
  const context = await contextOf(options);
  const { plan } = await loadPipeline(context);
  const { name } = taskOf(plan, what, "shell");
  return withBoth(context, async ({ store, record }) => {
    const { path } = context.settings;
    const shell = await openShell(plan, name, {
      store,
      record,
      ...sandboxOf(context, options),
      ...(path === undefined ? {} : { path }),
    });
    try {
      process.stderr.write(`${name} runs:\n\n    ${shell.command.replaceAll("\n", "\n    ")}\n\n`);
      process.stderr.write(
        "$OUTPUT is where it writes; inputs/ is what it reads. Nothing made here is kept: exit removes it.\n",
      );
      await interactive(shell);
    } finally {
      await shell.close();
    }
    return EXIT.done;
  });
}

/** Runs the caller's shell until it ends. Signals of the terminal are the shell's matter meanwhile. */
async function interactive({ cwd, env, wrap }: Shell): Promise<void> {
  const [program, ...args] = wrap([process.env["SHELL"] || "/bin/sh", "-i"]);
  const ignore = () => {};
  process.on("SIGINT", ignore);
  process.on("SIGQUIT", ignore);
  try {
    const { TERM } = process.env;
    const child = spawn(program!, args, {
      cwd,
      env: TERM === undefined ? env : { TERM, ...env },
      stdio: "inherit",
    });
    await new Promise<void>((done, failed) => {
      child.once("error", failed);
      child.once("exit", () => done());
    });
  } finally {
    process.off("SIGINT", ignore);
    process.off("SIGQUIT", ignore);
  }
}
