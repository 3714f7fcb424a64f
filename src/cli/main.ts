#!/usr/bin/env node
// The command `alamode`. Compiled code is cached in the user's own cache folder (a folder others can write to would let them
// plant code); where that cannot be written it is compiled each time. NODE_DISABLE_COMPILE_CACHE=1 turns it off.
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "a-la-mode"));
const { main } = await import("./program.ts");
await main(process.argv.slice(2));
