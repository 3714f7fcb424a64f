// Asks the system to bring a whole file system to stable storage. Node has no call for it, and one sync for many
// outputs costs far less than fsync on each of their files.
import { spawn } from "node:child_process";
import { AlamodeError } from "../errors.ts";

/** Returns once all that was written on the file system of `dir` so far is on stable storage. Throws `sync-failed`. */
export async function syncFileSystem(dir: string): Promise<void> {
  // Elsewhere, and where `sync` knows no -f, all file systems are synced, which takes longer and does as well.
  if (process.platform === "linux" && (await succeeds(["-f", dir]))) return;
  if (await succeeds([])) return;
  throw new AlamodeError("sync-failed", "the program `sync` could not be run", {
    facts: { dir },
    hint: "Put `sync` (coreutils) on the PATH; outputs are re-hashed after the next boot otherwise.",
  });
}

function succeeds(args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    // In a session of its own, an interrupt from the terminal does not end it halfway.
    const child = spawn("sync", args, { stdio: "ignore", detached: true });
    child.on("error", () => resolve(false));
    child.on("exit", (code) => resolve(code === 0));
  });
}
