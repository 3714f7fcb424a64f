// Holds any engine to the promises that it claims, from outside: `node test/kit/engine-kit.ts --engine 'COMMAND' [--claims a,b]`.
// COMMAND has its words parted by blanks, with {store}, {record}, {plan} and {goals} in it. Which claims there are: claims.ts.
import { test } from "node:test";
import { parseArgs } from "node:util";
import { CLAIMS, type ClaimName } from "./claims.ts";
import { type EngineCommand, World } from "./world.ts";

export const ALL_CLAIMS = Object.keys(CLAIMS) as ClaimName[];

/** Declares a test for each claim; those not claimed are told as skipped. `skip` says why none can be tried. */
export function engineKit(
  name: string,
  engine: EngineCommand,
  claims: readonly ClaimName[] = ALL_CLAIMS,
  skip: string | false = false,
): void {
  for (const claim of ALL_CLAIMS) {
    const { says, holds } = CLAIMS[claim];
    const why = skip || (claims.includes(claim) ? false : "not claimed");
    test(`${name}: ${claim}: ${says}`, { skip: why }, async (t) => {
      const world = await World.open(engine);
      t.after(() => world.close());
      await holds(world);
    });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { engine: { type: "string" }, claims: { type: "string" } } });
  const claims = values.claims?.split(",") ?? ALL_CLAIMS;
  const unknown = claims.filter((claim) => !(claim in CLAIMS));
  if (values.engine === undefined || unknown.length > 0) {
    process.stderr.write(
      `${unknown.length > 0 ? `no such claim: ${unknown.join(", ")}\n` : ""}--engine 'COMMAND {store} {record} {plan} {goals}' [--claims ${ALL_CLAIMS.join(",")}]\n`,
    );
    process.exit(2);
  }
  engineKit("engine", values.engine, claims as ClaimName[]);
}
