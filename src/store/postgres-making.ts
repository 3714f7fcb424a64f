// The surroundings of a step whose output is a schema: $OUTPUT is the name of one in the making, libpq's variables lead to it, and
// `inputs/<name>` is a file that holds the name of the input's schema, where that is tables; else the input itself.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { PostgresServer } from "./postgres-connection.ts";
import { type ImportContext, importTables } from "./postgres-import.ts";
import { refuseOthers, shut } from "./postgres-refusals.ts";
import type { OpenScratch, Scratch } from "./postgres-scratch.ts";
import { hashTables } from "./postgres-tables.ts";
import type {
  Check,
  Making,
  MakingInput,
  MakingRequest,
  SealedTree,
  SealOptions,
  StagedTree,
  TreeDigest,
} from "./types.ts";

const CHANGED = "was changed in its database";

type Wrong = Exclude<Check, { readonly kind: "intact" }>;

export interface MakingContext extends ImportContext {
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
  const { scratches, server, digests } = context;
  const read: Read[] = [];
  const staged: StagedTree[] = [];
  const made: Scratch[] = [];
  const folder = `${top}.inputs`;
  const end = async () => {
    for (const tree of staged.splice(0)) tree[Symbol.dispose]();
    for (const scratch of made.splice(0)) {
      context.forget(scratch.schema);
      digests.forget(scratch.schema);
      await scratches.drop(scratch);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const own = await scratches.open();
    made.push(own);
    const paths: Record<string, string> = Object.create(null);
    mkdirSync(folder, { recursive: true });
    for (const [n, name] of Object.keys(inputs).entries()) {
      const input = inputs[name]!;
      const own = await context.schemaOfInput(input);
      const schema = own ?? (await imported(name, input));
      if (schema === undefined) continue;
      read.push({ name, schema, digest: input.digest, ...(own === undefined ? { copy: true } : {}) });
      writeFileSync(`${folder}/${n}`, schema, { mode: 0o444 });
      paths[name] = `${folder}/${n}`;
    }
    return {
      output: own.schema,
      env: variables(server, own, name),
      secrets: ["PGPASSWORD"],
      inputs: paths,
      reads: server.place.host.startsWith("/") ? [server.place.host] : [],
      checkHeld: () => scratches.checkHeld(own),
      compareInputs: (moment, stop) => compared(context, read, moment, stop),
      seal: (options, stop) => sealTables(context, own, options, stop),
      [Symbol.asyncDispose]: end,
    };

    /** Tables that lie elsewhere are copied into a schema for as long as the step lasts; of anything else the path is noted. */
    async function imported(name: string, { digest, stage }: MakingInput): Promise<string | undefined> {
      const tree = await stage(signal);
      staged.push(tree);
      const copy = await importTables(context, { path: tree.path, digest });
      if (copy === undefined) {
        paths[name] = tree.path;
        return undefined;
      }
      made.push(copy);
      await server.transaction(async (session) => {
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

/** An input that is read as the tables of a schema. */
interface Read {
  readonly name: string;
  readonly schema: string;
  /** As it was committed. */
  readonly digest: TreeDigest;
  /** The schema is the step's own copy of what lies elsewhere. */
  readonly copy?: true;
}

/** As `Making.compareInputs`. */
async function compared(
  { server, digests }: MakingContext,
  all: readonly Read[],
  moment: "before" | "after",
  signal: AbortSignal | undefined,
): Promise<Map<string, Wrong>> {
  const wrong = new Map<string, Wrong>();
  if (server.check === "stamps") return wrong;
  for (const { name, schema, digest, copy } of all) {
    const found = await (moment === "before" ? digests.before(schema, signal) : digests.now(schema, signal));
    const check = checkedAgainst(digest, found);
    if (check.kind === "intact") continue;
    wrong.set(name, copy ? { kind: "damaged", path: "", how: CHANGED, copy } : check);
  }
  return wrong;
}

/** What it says of a schema that it holds this; undefined: there is none. */
export function checkedAgainst(digest: TreeDigest, found: TreeDigest | undefined): Check {
  if (found === undefined) return { kind: "missing" };
  return found === digest ? { kind: "intact" } : { kind: "damaged", path: "", how: CHANGED };
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
