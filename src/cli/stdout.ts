// What happens when nobody reads stdout any more (`| head` has enough): no error, and no one is left to tell. Where it
// cannot be written (a full disk), that is said.

/** Emitted by stdout itself, so that it reaches whoever listens, whichever copy of this file they were compiled with. */
const UNREAD = "alamode.unread";

/** Ends the process quietly then, unless something wants to end in its own way. */
export function guardStdout(): void {
  let told = false;
  process.stderr.on("error", () => {}); // there is nowhere left to complain to
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const unread = error.code === "EPIPE" || error.code === "EIO"; // EIO: the terminal was closed
    if (!unread && !told) process.stderr.write(`cannot write to stdout: ${error.message}\n`);
    told = true;
    if (!process.stdout.emit(UNREAD)) process.exit(unread ? 0 : 2);
  });
}

/** Calls `watcher` instead of ending. Returns how to take that back. */
export function whenUnread(watcher: () => void): () => void {
  process.stdout.on(UNREAD, watcher);
  return () => process.stdout.off(UNREAD, watcher);
}
