// The trees of a store in PostgreSQL: which there are, how they get to their locations, and what lies there. A row of the table `trees` is
// written in the transaction that puts a tree at its location: what has none is rubbish.

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { AlamodeError } from "../errors.ts";
import { movedPlace } from "../plan/places.ts";
import type { OutputId } from "../plan/types.ts";
import { hashInPlace } from "./in-place.ts";
import { plainLocation, suffixedLocation } from "./locations.ts";
import { type Asked, dropFiles, getFile, hashFiles, putFile, putTree, treeFile } from "./postgres-blobs.ts";
import type { PostgresServer, Session } from "./postgres-connection.ts";
import { type ImportContext, importTables } from "./postgres-import.ts";
import { checkedLocation, commentOf, isLocation, literal, OWN, schemaOf } from "./postgres-names.ts";
import { stampsOf } from "./postgres-refusals.ts";
import { makingLost, type Scratch } from "./postgres-scratch.ts";
import { decodeTree } from "./tree.ts";
import type { HashedTree, Location, SealedTree, TreeDigest } from "./types.ts";

/** How many locations one query asks for. */
const BATCH = 10_000;

/** What the store's own table says of a tree. */
export interface TreeRow {
  readonly digest: TreeDigest;
  readonly kind: "tables" | "files" | "place";
  readonly tree: Uint8Array;
}

/** Where a tree was put. */
export interface Placed {
  readonly location: Location;
  readonly stamps: Uint8Array;
}

export class PostgresTrees {
  readonly #server: PostgresServer;
  readonly #context: ImportContext;
  /** The role that may read them. */
  readonly #readers: string;

  constructor(context: ImportContext, readers: string) {
    this.#server = context.server;
    this.#context = context;
    this.#readers = readers;
  }

  async present(locations: readonly Location[]): Promise<boolean[]> {
    const found = new Set<string>();
    for (let at = 0; at < locations.length; at += BATCH) {
      const asked = locations.slice(at, at + BATCH).filter(isLocation);
      const rows = await this.#server.rows<{ location: Location; kind: string; schema: string | null }>(
        `SELECT t.location, t.kind, n.nspname::text AS schema FROM unnest($1::text[], $2::text[]) AS asked (location, schema)
         JOIN ${OWN}.trees t ON t.location = asked.location LEFT JOIN pg_namespace n ON n.nspname = asked.schema`,
        asked,
        asked.map(schemaOf),
      );
      for (const { location, kind, schema } of rows)
        if (kind !== "tables" || schema !== null) found.add(location);
    }
    return locations.map((location) => found.has(location));
  }

  /** Files that are tables become tables; undefined for all others. */
  async import({ path, tree, digest }: SealedTree): Promise<Scratch | undefined> {
    return tree.has("") ? undefined : importTables(this.#context, { path, digest });
  }

  async commitTables(
    output: OutputId,
    sealed: SealedTree,
    { name, schema: made }: Scratch,
    taken: readonly Location[],
  ): Promise<Placed> {
    const { digests } = this.#context;
    const placed = await this.#server.transaction(async (session) => {
      const { rows } = session;
      const [done] = await rows<{ location: Location }>(
        `SELECT location FROM ${OWN}.trees WHERE making = $1`,
        name,
      );
      const location = done?.location ?? (await this.#locationFor(session, output, sealed, taken));
      const schema = schemaOf(location);
      if (done === undefined && (await this.row(session, location)) === undefined) {
        await this.#refuseTaken(session, schema, output);
        const [held] = await rows(`SELECT FROM ${OWN}.makings WHERE name = $1 FOR UPDATE`, name);
        if (held === undefined) throw makingLost(this.#server.url);
        await rows(`ALTER SCHEMA ${made} RENAME TO ${schema}`);
        await rows(`COMMENT ON SCHEMA ${schema} IS ${literal(commentOf(output, sealed.digest))}`);
        await rows(`GRANT USAGE ON SCHEMA ${schema} TO ${this.#readers}`);
        await rows(`GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${this.#readers}`);
        await this.#insert(session, output, location, sealed, "tables", name);
      }
      return { location, stamps: (await stampsOf(session, schema)) ?? new Uint8Array(0) };
    });
    digests.forget(made);
    digests.note(schemaOf(placed.location), { digest: sealed.digest, stamps: placed.stamps });
    return placed;
  }

  commitFiles(output: OutputId, sealed: SealedTree, taken: readonly Location[]): Promise<Placed> {
    return this.#server.transaction(async (session) => {
      const location = await this.#locationFor(session, output, sealed, taken);
      if ((await this.row(session, location)) === undefined) {
        await dropFiles(session, treeFile(location, ""));
        await putTree(session, location, sealed);
        await this.#insert(session, output, location, sealed, "files");
      }
      return { location, stamps: new Uint8Array(0) };
    });
  }

  /** One that nothing has, or that has this very tree: the plain one if it can be. One at a time chooses for an output. */
  async #locationFor(
    session: Session,
    output: OutputId,
    { digest }: SealedTree,
    taken: readonly Location[],
  ): Promise<Location> {
    await session.rows("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", output);
    const plain = plainLocation(output);
    const suffixed = suffixedLocation(output, digest);
    for (const location of taken.includes(plain) ? [suffixed] : [plain, suffixed]) {
      const row = await this.row(session, location);
      if (row === undefined) return location;
      if (row.digest === digest && (await this.rehash(session, location, row))?.digest === digest)
        return location;
    }
    await this.setAside(session, suffixed); // its bytes were changed, or its schema is gone
    return suffixed;
  }

  /** Throws `name-taken` where a schema of that name is not ours, or another output's whose ID begins with the same 60 digits. */
  async #refuseTaken({ rows }: Session, schema: string, output: OutputId): Promise<void> {
    const [found] = await rows<{ comment: string | null }>(
      "SELECT obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = $1",
      schema,
    );
    if (found === undefined) return;
    throw new AlamodeError("name-taken", `a schema ${schema} is there already, and is not this output's`, {
      facts: { output, "its comment": found.comment ?? "none" },
      hint: `Rename it:  ALTER SCHEMA ${schema} RENAME TO …`,
    });
  }

  /** Notes a tree that stays where it is. */
  async commitPlace(output: OutputId, location: Location, sealed: SealedTree): Promise<void> {
    await this.#server.transaction(async (session) => {
      if ((await this.row(session, location)) !== undefined) return;
      await putFile(session, treeFile(location, ""), Buffer.from(sealed.path));
      await this.#insert(session, output, location, sealed, "place");
    });
  }

  async #insert(
    { rows }: Session,
    output: OutputId,
    location: Location,
    { digest, encoded }: SealedTree,
    kind: TreeRow["kind"],
    making: string | null = null,
  ): Promise<void> {
    await rows(
      `INSERT INTO ${OWN}.trees (location, output, digest, kind, tree, making) VALUES ($1, $2, $3, $4, $5, $6)`,
      location,
      output,
      digest,
      kind,
      encoded,
      making,
    );
  }

  async row(asked: Asked, location: Location): Promise<TreeRow | undefined> {
    const [row] = await asked.rows<TreeRow>(
      `SELECT digest, kind, tree FROM ${OWN}.trees WHERE location = $1`,
      checkedLocation(location),
    );
    return row;
  }

  async rehash(
    session: Session,
    location: Location,
    { kind, tree }: TreeRow,
    signal?: AbortSignal,
  ): Promise<HashedTree | undefined> {
    if (kind === "files") return hashFiles(session, location, decodeTree(tree), signal);
    if (kind === "tables") return this.#context.digests.hash(session, schemaOf(location), signal);
    const path = await this.inPlace(location);
    return path === undefined || !existsSync(path) ? undefined : hashInPlace(path, signal);
  }

  async setAside(session: Session, location: Location): Promise<string | undefined> {
    const row = await this.row(session, location);
    if (row === undefined) return undefined;
    const mark = randomBytes(8).toString("hex");
    const aside = `${location}.aside-${mark}`;
    await session.rows(`UPDATE ${OWN}.trees SET location = $2 WHERE location = $1`, location, aside);
    const prefix = treeFile(location, "");
    await session.rows(
      `UPDATE ${OWN}.files SET name = $2 || substr(name, $3::int) WHERE name = $1 OR starts_with(name, $1 || '/')`,
      prefix,
      `outputs/${aside}`,
      prefix.length + 1,
    );
    if (row.kind === "tables" && (await stampsOf(session, schemaOf(location))) !== undefined)
      await session.rows(`ALTER SCHEMA ${schemaOf(location)} RENAME TO a_${mark}`);
    return aside;
  }

  /** Where a tree that is read in place lies on this machine. */
  async inPlace(location: Location): Promise<string | undefined> {
    const path = await getFile(this.#server, treeFile(location, ""));
    return path === undefined ? undefined : movedPlace(path.toString());
  }
}
