import json, os, random, sys

if not os.environ.get("RATES_KEY", "").startswith("sk-"):
    sys.exit("rates: 401, no valid key in RATES_KEY")
chance = random.Random(sys.argv[1])
json.dump({"EUR": 1, "CHF": round(chance.uniform(1.02, 1.08), 4), "GBP": round(chance.uniform(1.14, 1.20), 4)}, sys.stdout)
