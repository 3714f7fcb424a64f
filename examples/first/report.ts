// The last step, as a function: it reads what its dependencies made, and writes to `output`.
import { readFileSync, writeFileSync } from "node:fs";
import type { TaskCall } from "a-la-mode";

export function report({ inputs, output, args, log }: TaskCall<{ title: string }>): void {
  const lines = Object.values(inputs).map((file) => readFileSync(file, "utf8").trim().split(" "));
  const rows = lines.map(([fruit = "", count = ""]) => ({ fruit, count: Number(count) }));
  rows.sort((a, b) => b.count - a.count);
  log("%d kinds of fruit", rows.length);
  writeFileSync(
    output,
    [`# ${args.title}`, ...rows.map(({ fruit, count }) => `${fruit} ${count}`), ""].join("\n"),
  );
}
