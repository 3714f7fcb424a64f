"""Sums up one year of the clean data by months: by_year.py YEAR, with $WET_MM the rain that makes a day wet."""

import csv
import json
import math
import os
import sys

year = sys.argv[1]
wet_mm = float(os.environ["WET_MM"])

with open(os.path.join(os.environ["INPUTS"], "clean", "days.csv"), newline="") as file:
    days = [
        {"date": date, "rain": float(rain), "high": float(high), "low": float(low)}
        for date, rain, high, low, _wind, _kind in csv.reader(file)
        if date.startswith(year + "-")
    ]
if not days:
    sys.exit(f"no day of {year} in the data")


def summed_up(month):
    own = [day for day in days if int(day["date"][5:7]) == month]
    return {
        "month": month,
        "days": len(own),
        "mean": round(math.fsum(day["high"] + day["low"] for day in own) / 2 / len(own), 2),
        "rain": round(math.fsum(day["rain"] for day in own), 1),
        "wet_days": sum(day["rain"] >= wet_mm for day in own),
    }


def extreme(key, choose):
    day = choose(days, key=lambda day: day[key])
    return {"date": day["date"], "value": day[key]}


result = {
    "year": int(year),
    "days": len(days),
    "mean": round(math.fsum(day["high"] + day["low"] for day in days) / 2 / len(days), 2),
    "rain": round(math.fsum(day["rain"] for day in days), 1),
    "wet_days": sum(day["rain"] >= wet_mm for day in days),
    "hottest": extreme("high", max),
    "coldest": extreme("low", min),
    "wettest": extreme("rain", max),
    "months": [summed_up(month) for month in range(1, 13)],
}
with open(os.environ["OUTPUT"], "w") as file:
    json.dump(result, file, indent=1)
print(f"{year}: {result['days']} days, {result['mean']} °C, {result['rain']} mm")
