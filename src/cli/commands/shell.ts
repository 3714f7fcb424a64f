// alamode shell: a shell where and how a task's command starts.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { openShell, type Shell } from "../../engine/shell.ts";
import { contextOf, machineOf, type SandboxOptions, sandboxOf, withBoth } from "../context.ts";
import { taskOf } from "../goals.ts";
import { loadPipeline } from "../load-pipeline.ts";

export async function shellCommand(what: string, options: SandboxOptions): Promise<number> {
  const context = await contextOf(options);
  const { plan } = await loadPipeline(context);
  const { name } = taskOf(plan, what, "shell");
  return withBoth(context, async ({ store, record }) => {
    const { path } = context;
    const shell = await openShell(plan, name, {
      store,
      record,
      ...sandboxOf(context, options),
      ...machineOf(context),
      ...(path === undefined ? {} : { path }),
    });
    try {
      process.stderr.write(`${name} runs:\n\n    ${shell.command.replaceAll("\n", "\n    ")}\n\n`);
      process.stderr.write(
        "$OUTPUT is where it writes; inputs/ is what it reads. Nothing made here is kept: exit removes it.\n",
      );
      return await interactive(shell);
    } finally {
      await shell.close();
    }
  });
}

/**
 * Runs the caller's shell until it ends, and gives its exit code. What comes from a pipe it takes for a script. Signals of the
 * terminal are the shell's matter meanwhile.
 */
async function interactive({ cwd, inImage, wrap }: Shell): Promise<number> {
  const asked = process.stdin.isTTY === true ? ["-i"] : [];
  const shell = inImage ? undefined : process.env["SHELL"];
  const { argv, env } = wrap([shell || "/bin/sh", ...asked]);
  const [program, ...args] = argv;
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
    return await new Promise<number>((done, failed) => {
      child.once("error", failed);
      child.once("exit", (code, signal) =>
        done(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    process.off("SIGINT", ignore);
    process.off("SIGQUIT", ignore);
  }
}
