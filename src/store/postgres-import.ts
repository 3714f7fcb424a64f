// Files that are tables, made tables again. Only what has the very same digest then counts: any other files stay what they are, wherever
// they lie, so that a step reads the same of them from every store.
import { AlamodeError } from "../errors.ts";
import type { PostgresServer } from "./postgres-connection.ts";
import type { SchemaDigests } from "./postgres-digests.ts";
import { shut } from "./postgres-refusals.ts";
import type { PostgresScratches, Scratch } from "./postgres-scratch.ts";
import { readTables, tablesIn, tablesOf } from "./postgres-tables.ts";
import type { TreeDigest } from "./types.ts";

export interface ImportContext {
  readonly server: PostgresServer;
  readonly scratches: PostgresScratches;
  readonly digests: SchemaDigests;
}

/** A schema in the making with the tables of the folder at `path`, shut against changes; undefined for files that are none. */
export async function importTables(
  { server, scratches, digests }: ImportContext,
  { path, digest }: { readonly path: string; readonly digest: TreeDigest },
): Promise<Scratch | undefined> {
  const tables = tablesOf(path);
  if (tables === undefined) return undefined;
  const scratch = await scratches.make();
  const { schema } = scratch;
  try {
    const hashed = await server.transaction(async (session) => {
      if ((await tablesIn(session, schema)).length === 0)
        await readTables(session, schema, { folder: path, tables });
      await shut(session, schema);
      return digests.hash(session, schema);
    });
    if (hashed?.digest === digest) return scratch;
  } catch (error) {
    if (!(error instanceof AlamodeError && error.code === "bad-output")) {
      await scratches.drop(scratch);
      throw error;
    }
  }
  digests.forget(schema);
  await scratches.drop(scratch); // written by something else than COPY
  return undefined;
}
