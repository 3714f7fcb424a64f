import csv, html, os, sys

with open(f"{sys.argv[1]}/table.csv") as file:
    rows = list(csv.DictReader(file))
most = max(int(row["bases"]) for row in rows)
with open(os.environ["OUTPUT"], "w") as out:
    print("<!doctype html><meta charset=utf-8><title>Trimming</title><table>", file=out)
    for row in rows:
        cells = "".join(f"<td>{html.escape(row[name])}</td>" for name in ("condition", "sample", "quality", "reads"))
        width = int(300 * int(row["bases"]) / most)
        print(f"<tr>{cells}<td><div style='background:#47a;width:{width}px'>&nbsp;</div></td></tr>", file=out)
    print("</table>", file=out)
