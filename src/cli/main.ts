#!/usr/bin/env node
// The command `alamode`. Compiled code is cached in the user's own cache folder (a folder others can write to would let them
// plant code); where that cannot be written it is compiled each time. NODE_DISABLE_COMPILE_CACHE=1 turns it off.
import module, { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

const OLDEST_NODE = 24;

// Nothing that an older Node.js lacks may be imported by name before this is said.
if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  process.stderr.write(`alamode needs Node.js ${OLDEST_NODE} or newer; this is ${process.versions.node}.\n`);
  process.exitCode = 2;
} else {
  module.enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "a-la-mode"));
  const { main }: typeof import("./start.ts") = import.meta.filename.endsWith(".ts")
    ? await import("./start.ts")
    : createRequire(import.meta.url)("./start.cjs"); // one file of many: scripts/build.ts
  await main(process.argv.slice(2));
  // A pipeline may have left a timer or a connection open, which would keep the process for ever.
  // All is written by then, and told if it could not be: errors come after the callbacks of a stream.
  process.stdout.write("", () => process.stderr.write("", () => setImmediate(() => process.exit())));
}
