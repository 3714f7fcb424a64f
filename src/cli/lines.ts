// Lines for a stream, many at once: a write of its own for each of thousands of short steps takes a tenth of a run's time, most
// of it for waking whoever reads.

/** Later than this nobody is told of anything. */
const LATEST_MS = 40;

export interface Lines {
  /** Lines without line ends. */
  print(lines: readonly string[]): void;
  /** Writes what was not written yet. */
  flush(): void;
}

/** Writes the first lines at once, and what comes soon after them together. */
export function linesTo(stream: NodeJS.WritableStream): Lines {
  let waiting = "";
  let timer: NodeJS.Timeout | undefined;

  function write(): void {
    const text = waiting;
    waiting = "";
    if (text !== "") stream.write(text);
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    write();
  }

  return {
    print(lines) {
      for (const line of lines) waiting += `${line}\n`;
      if (timer !== undefined) return;
      write();
      timer = setTimeout(flush, LATEST_MS);
    },
    flush,
  };
}
