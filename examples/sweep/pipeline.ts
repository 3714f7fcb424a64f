import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bash, Dag, files, integer, list, pipeline, pythonEnv, source } from "a-la-mode";

const here = import.meta.dirname;
const [, ...rows] = readFileSync(join(here, "samples.csv"), "utf8").trim().split("\n");
const samples = rows.map((row) => row.split(","));

export default pipeline({ qualities: list(integer(), [10, 20, 30]) }, ({ qualities }) => {
  const dag = new Dag({ name: "trimming" });
  const tools = dag.task("tools", pythonEnv("requirements.txt"));

  const table = dag.task("table", {
    command: "python3 table.py",
    files: files("table.py"),
    produces: "table.csv",
  });
  for (const [sample = "", condition = "", reads = ""] of samples) {
    const raw = dag.task(`raw/${sample}`, source(reads));
    for (const q of qualities) {
      const trim = dag.task(
        `trim/${sample}/q${q}`,
        {
          ...bash`
            cutadapt --quality-cutoff ${q} --minimum-length 25 -a AGATCGGAAGAGCACACGTC \
              --json report.json -o trimmed.fastq ${{ reads: raw }}
            mv report.json trimmed.fastq $OUTPUT`,
          produces: ["report.json", "trimmed.fastq"],
        },
        { cpus: 1, memory: "500MiB * attempt", retries: 1 },
      );
      trim.after(tools);
      table.after({ [`${condition}.${sample}.${q}`]: trim });
    }
  }

  const report = { ...bash`python3 report.py ${table}`, files: files("report.py"), produces: "report.html" };
  dag.task("report", report, { publish: "results/report.html" });
  return dag;
});
