// Compares us with what is installed, and measures the parts. README.md says how to read it.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compare, PHASES, type Phase, type Row } from "./compare.ts";
import { alamode } from "./contenders/alamode.ts";
import { doit } from "./contenders/doit.ts";
import { make } from "./contenders/make.ts";
import { ninja } from "./contenders/ninja.ts";
import { turbo, wireit } from "./contenders/npm-scripts.ts";
import { snakemake } from "./contenders/snakemake.ts";
import { tup } from "./contenders/tup.ts";
import { MICRO, type MicroName } from "./micro/all.ts";
import { microTable, rowTable } from "./table.ts";
import { SHAPES, type Shape } from "./workload.ts";

const PEERS = [ninja, make, tup, doit, snakemake, wireit, turbo];

const FLAGS = {
  shapes: { type: "string", default: SHAPES.join() },
  sizes: { type: "string", default: "100,1000" },
  peers: { type: "string", default: PEERS.map(({ name }) => name).join() },
  phases: { type: "string", default: PHASES.join() },
  rounds: { type: "string", default: "3" },
  jobs: { type: "string", default: String(availableParallelism()) },
  dir: { type: "string" },
  all: { type: "boolean", default: false },
  micro: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

const USAGE = `npm run bench -- [--shapes ${SHAPES.join()}] [--sizes 100,1000] [--phases ${PHASES.join()}]
                 [--peers ${PEERS.map(({ name }) => name).join()}] [--rounds 3] [--jobs N]
                 [--dir FOLDER] [--all] [--micro all|${Object.keys(MICRO).join("|")}] [--json]
bench/README.md says how to read what it prints.
`;

const flags = readFlags();
if (flags.help) {
  process.stdout.write(USAGE);
  process.exit();
}

const told = (rows: readonly object[], text: string) =>
  process.stdout.write(flags.json ? rows.map((row) => `${JSON.stringify(row)}\n`).join("") : `${text}\n`);

const dir = flags.dir === undefined ? mkdtempSync(join(tmpdir(), "alamode-bench-")) : resolve(flags.dir);
mkdirSync(dir, { recursive: true });
try {
  if (flags.micro !== undefined) {
    const names = flags.micro === "" || flags.micro === "all" ? Object.keys(MICRO) : flags.micro.split(",");
    for (const name of names) {
      const measured = await MICRO[name as MicroName](join(dir, name));
      told(measured, microTable(name, measured));
    }
  } else await compareAll();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

async function compareAll(): Promise<void> {
  const peers = flags.peers.split(",").flatMap((name) => {
    const peer = PEERS.find((one) => one.name === name);
    if (peer === undefined)
      throw new Error(`there is no peer "${name}": ${PEERS.map((one) => one.name).join(", ")}`);
    const version = peer.version();
    process.stderr.write(
      version === undefined ? `${name}: not installed, left out\n` : `${name}: ${version}\n`,
    );
    return version === undefined ? [] : [peer];
  });
  for (const n of flags.sizes.split(",").map(Number)) {
    for (const shape of flags.shapes.split(",") as Shape[]) {
      const contenders = [alamode, ...peers.filter(({ most }) => flags.all || n <= most)];
      const rows: Row[] = await compare({
        shape,
        n,
        contenders,
        phases: flags.phases.split(",") as Phase[],
        rounds: Number(flags.rounds),
        jobs: Number(flags.jobs),
        dir: join(dir, `${shape}-${n}`),
      });
      told(rows, rowTable(rows));
      rmSync(join(dir, `${shape}-${n}`), { recursive: true, force: true });
    }
  }
}

function readFlags() {
  try {
    return parseArgs({ options: FLAGS }).values;
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}
