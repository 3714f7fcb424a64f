// What you would otherwise say at each call. All of it may be left out, and the file too.
import type { Settings } from "a-la-mode";

const settings: Settings = {
  pipeline: "pipeline.ts",
  // jobs: 4,                         how many tasks run at once; the number of cores if not said
  // keepGoing: true,                 after a failure, go on with all that does not need it
  // store: ".alamode",               where results are kept
  // path: "/usr/local/bin:/usr/bin:/bin",  where commands find their programs: conda's, a module's…
  // sandbox: "bubblewrap",           let commands see only what is declared (Linux)
};

export default settings;
