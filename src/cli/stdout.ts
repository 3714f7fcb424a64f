// What happens when nobody reads stdout any more (`| head` has enough): no error, and no one is left to tell.

const watchers = new Set<() => void>();

/** Ends the process quietly then, unless something wants to end in its own way. */
export function guardStdout(): void {
  process.stderr.on("error", () => {}); // there is nowhere left to complain to
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error; // EIO: the terminal was closed
    if (watchers.size === 0) process.exit(0);
    for (const watcher of watchers) watcher();
  });
}

/** Calls `watcher` instead of ending. Returns how to take that back. */
export function whenUnread(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
