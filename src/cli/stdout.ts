// What happens when nobody reads stdout any more (`| head` has enough): no error, and no one is left to tell.

const watchers = new Set<() => void>();

/** Ends the process quietly then, unless something wants to end in its own way. */
export function guardStdout(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (watchers.size === 0) process.exit(0);
    for (const watcher of watchers) watcher();
  });
}

/** Calls `watcher` instead of ending. Returns how to take that back. */
export function whenUnread(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
