import datetime, os, random, sys

first, days = datetime.date.fromisoformat(sys.argv[1]), int(sys.argv[2])
os.makedirs("landing/orders", exist_ok=True)
for day in (first + datetime.timedelta(n) for n in range(days)):
    chance = random.Random(str(day))
    with open(f"landing/orders/{day}.csv", "w") as out:
        print("order,country,amount,currency", file=out)
        for n in range(1000):
            country, currency = chance.choice([("DE", "EUR"), ("FR", "EUR"), ("CH", "CHF"), ("GB", "GBP")])
            print(f"{day}-{n},{country},{chance.randint(100, 20000) / 100},{currency}", file=out)
