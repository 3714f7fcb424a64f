// What the kill test runs: 200 tasks in layers, each small shell work on its inputs that always makes the same bytes, and
// each noting in a journal outside that it really ran.
import { random } from "../e2e/project.ts";

/** Written half first, so that a kill in between leaves half an output. */
const STEP = `#!/bin/sh
set -eu
name=$1 kind=$2
echo "$name" >> "$JOURNAL"
digest() { find -L inputs -type f | LC_ALL=C sort | while read -r file; do cat "$file"; done | sha256sum | cut -c 1-64; }
case $kind in
  file)   echo "$name" > "$OUTPUT"; digest >> "$OUTPUT" ;;
  named)  echo "$name" > "$OUTPUT"; digest >> "$OUTPUT" ;;
  script) echo "#!/bin/sh" > "$OUTPUT"; echo "echo $(digest)" >> "$OUTPUT"; chmod 755 "$OUTPUT" ;;
  empty)  digest > /dev/null; mkdir "$OUTPUT" ;;
  folder) mkdir -p "$OUTPUT/a/b" "$OUTPUT/none"; echo "$name" > "$OUTPUT/a/b/name"; digest > "$OUTPUT/a/digest"
          ln -s a/digest "$OUTPUT/link"; cp "$OUTPUT/a/digest" "$OUTPUT/run"; chmod 700 "$OUTPUT/run" ;;
esac
`;

/** The same of text that needs nothing but a shell, and so is performed by a copy of one. */
const plain = (name: string) =>
  `echo ${name} >> "$JOURNAL"; echo ${name} > "$OUTPUT"
for file in inputs/*; do
if [ -f "$file" ]; then while IFS= read -r line; do echo "$line"; done < "$file" >> "$OUTPUT"; fi
done`;

const KINDS = ["file", "plain", "plain", "named", "script", "folder", "folder", "empty"] as const;

/** The project's files, for so many tasks; the same seed gives the same plan. */
export function killProject(seed: number, tasks: number): Record<string, string> {
  const chance = random(seed);
  const pick = (below: number) => Math.floor(chance() * below);
  const lines = [`import { Dag, files } from "a-la-mode";`, `const dag = new Dag({ name: "kill" });`];
  for (let n = 0; n < tasks; n++) {
    const kind = KINDS[pick(KINDS.length)]!;
    const spec =
      kind === "plain"
        ? `command: ${JSON.stringify(plain(`t${n}`))}`
        : [
            `command: ["./step.sh", "t${n}", "${kind}"]`,
            `files: files("step.sh")`,
            ...(kind === "named" ? [`produces: "deep/result.txt"`] : []),
          ].join(", ");
    lines.push(`dag.task("t${n}", { ${spec} }, { pass: ["JOURNAL"] });`);
    // Dependencies lie in the two layers before, of twelve tasks each.
    const layer = Math.floor(n / 12) * 12;
    const above = new Set(
      Array.from({ length: layer === 0 ? 0 : pick(5) }, () => layer - 1 - pick(Math.min(layer, 24))),
    );
    for (const other of above) lines.push(`dag.tasks.t${n}.addDep(dag.tasks.t${other});`);
  }
  return { "pipeline.ts": `${lines.join("\n")}\nexport default dag;\n`, "step.sh": STEP };
}
