# Each input is named condition.sample.quality, and holds what cutadapt reports.
import csv, json, os

with open(os.environ["OUTPUT"], "w", newline="") as out:
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["condition", "sample", "quality", "reads", "bases"])
    for name in sorted(os.listdir("inputs")):
        with open(f"inputs/{name}/report.json") as file:
            report = json.load(file)
        table.writerow(name.split(".") + [report["read_counts"]["output"], report["basepair_counts"]["output"]])
