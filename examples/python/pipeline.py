#!/usr/bin/env python3
"""A pipeline described in Python: any program that prints a plan is one. Run it with

    alamode run -f pipeline.py
    alamode run -f pipeline.py -p country=FR
"""
import json
import os

# What -p and --params gave; empty when this is called by hand.
params = json.loads(os.environ.get("ALAMODE_PARAMS", "{}"))
country = params.get("country", "DE")
if country not in ("DE", "FR", "IT"):
    raise SystemExit(f"country {country!r}: there are DE, FR and IT")

ORDERS = ["DE 12", "FR 30", "DE 7", "IT 4"]

# A task is a spec: all of it is part of its ID. A command writes to $OUTPUT.
tasks = {
    "orders": {"command": ["/bin/sh", "-ec", "printf '%s\\n' \"$@\" > $OUTPUT", "sh", *ORDERS]},
    "total": {"command": f"awk '$1 == \"{country}\" {{ sum += $2 }} END {{ print sum }}' inputs/orders > $OUTPUT"},
    "report": {
        "command": f"echo \"{country}: $(cat inputs/sum)\" > $OUTPUT",
        "produces": "report.txt",
    },
}

# Who depends on whom: by names, or by names of one's own choice.
deps = {"total": ["orders"], "report": {"sum": "total"}}

print(json.dumps({"meta": {"name": "orders"}, "tasks": tasks, "deps": deps}))
