import os, random

ADAPTER = "AGATCGGAAGAGCACACGTC"
os.makedirs("reads", exist_ok=True)
for sample, wear in [("S01", 0.4), ("S02", 0.5), ("S03", 0.9), ("S04", 1.0)]:
    chance = random.Random(sample)
    with open(f"reads/{sample}.fastq", "w") as out:
        for n in range(2000):
            insert = "".join(chance.choices("ACGT", k=chance.randint(30, 140)))
            bases = (insert + ADAPTER + "A" * 100)[:100]
            quality = "".join(chr(33 + max(2, min(40, int(40 - wear * at * chance.random())))) for at in range(100))
            print(f"@{sample}:{n}", bases, "+", quality, sep="\n", file=out)
