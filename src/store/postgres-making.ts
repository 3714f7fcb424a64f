// The surroundings of a step whose output is a schema: $OUTPUT is the name of one in the making, libpq's variables lead to it, and
// `inputs/<name>` is a file that holds the name of the input's schema, where that is tables; else the input itself.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { PostgresServer } from "./postgres-connection.ts";
import { refuseOthers, shut } from "./postgres-refusals.ts";
import type { OpenScratch, PostgresScratches, Scratch } from "./postgres-scratch.ts";
import { hashTables, readTables, tablesOf } from "./postgres-tables.ts";
import type { Making, MakingInput, MakingRequest, SealedTree, SealOptions, StagedTree } from "./types.ts";

export interface MakingContext {
  readonly server: PostgresServer;
  readonly scratches: PostgresScratches;
  /** The schema of an input that lies in this store as tables; undefined for any other. */
  schemaOfInput(input: MakingInput): Promise<string | undefined>;
  /** Told of a scratch that was sealed, by the path that its tree is given. */
  sealed(path: string, scratch: Scratch): void;
  forget(path: string): void;
}

export async function makeTables(
  context: MakingContext,
  { top, inputs, name }: MakingRequest,
  signal?: AbortSignal,
): Promise<Making> {
  const { scratches, server } = context;
  const staged: StagedTree[] = [];
  const made: Scratch[] = [];
  const folder = `${top}.inputs`;
  const end = async () => {
    for (const tree of staged.splice(0)) tree[Symbol.dispose]();
    for (const scratch of made.splice(0)) {
      context.forget(scratch.schema);
      await scratches.drop(scratch);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const own = await scratches.open();
    made.push(own);
    const paths: Record<string, string> = Object.create(null);
    mkdirSync(folder, { recursive: true });
    for (const [n, input] of Object.keys(inputs).entries()) {
      const schema = (await context.schemaOfInput(inputs[input]!)) ?? (await imported(inputs[input]!));
      if (schema === undefined) continue;
      writeFileSync(`${folder}/${n}`, schema, { mode: 0o444 });
      paths[input] = `${folder}/${n}`;
    }
    return {
      output: own.schema,
      env: variables(server, own, name),
      secrets: ["PGPASSWORD"],
      inputs: paths,
      reads: server.place.host.startsWith("/") ? [server.place.host] : [],
      seal: (options, stop) => sealTables(context, own, options, stop),
      [Symbol.asyncDispose]: end,
    };

    /** Tables that lie elsewhere are copied into a schema for as long as the step lasts; of anything else the path is noted. */
    async function imported(input: MakingInput): Promise<string | undefined> {
      const tree = await input.stage(signal);
      staged.push(tree);
      const tables = tablesOf(tree.path);
      if (tables === undefined) {
        paths[Object.keys(inputs).find((key) => inputs[key] === input)!] = tree.path;
        return undefined;
      }
      const copy = await scratches.make();
      made.push(copy);
      await server.transaction(async (session) => {
        await readTables(session, copy.schema, { folder: tree.path, tables });
        await session.rows(`GRANT USAGE ON SCHEMA ${copy.schema} TO ${own.role}`);
        await session.rows(`GRANT SELECT ON ALL TABLES IN SCHEMA ${copy.schema} TO ${own.role}`);
      });
      return copy.schema;
    }
  } catch (error) {
    await end();
    throw error;
  }
}

/** What libpq reads, and all that speak it. */
function variables(
  { place: { host, port, database, ssl } }: PostgresServer,
  { schema, role, password }: OpenScratch,
  name: string,
): Record<string, string> {
  return {
    PGHOST: host,
    PGPORT: `${port}`,
    PGDATABASE: database,
    PGUSER: role,
    PGPASSWORD: password,
    PGOPTIONS: `-c search_path=${schema} -c TimeZone=UTC`,
    PGAPPNAME: `alamode ${name}`,
    PGCLIENTENCODING: "UTF8",
    ...ssl,
  };
}

/** Ends the step's sessions, takes its tables over, shuts them against changes, and digests them. */
async function sealTables(
  { server, scratches, sealed }: MakingContext,
  scratch: Scratch,
  { needles }: SealOptions,
  signal?: AbortSignal,
): Promise<SealedTree> {
  const { schema } = scratch;
  await scratches.takeOver(scratch);
  await server.transaction(async (session) => {
    await refuseOthers(session, schema);
    await shut(session, schema);
  });
  const hashed = await server.transaction(
    (session) => hashTables(session, schema, { needles, signal }),
    "REPEATABLE READ READ ONLY",
  );
  sealed(schema, scratch);
  return { ...hashed, path: schema, stamps: new Uint8Array(0) };
}
