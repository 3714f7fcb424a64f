# Revenue by country in EUR, of one day.
import csv, json, os, sys
from collections import Counter

day, orders, rates = sys.argv[1:]
with open(rates) as file:
    rate = json.load(file)
revenue = Counter()
with open(orders) as file:
    for row in csv.DictReader(file):
        revenue[row["country"]] += float(row["amount"]) * rate[row["currency"]]
with open(os.environ["OUTPUT"], "w") as out:
    for country in sorted(revenue):
        print(day, country, f"{revenue[country]:.2f}", sep=",", file=out)
