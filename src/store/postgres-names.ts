// What things are called in the database: an output is a schema. PostgreSQL cuts a name after 63 bytes, so an ID is cut too, and who is
// meant is told by the schema's comment.
import { AlamodeError } from "../errors.ts";
import type { OutputId } from "../plan/types.ts";
import type { Location, TreeDigest } from "./types.ts";

/** The schema of the store's own tables. */
export const OWN = "alamode_store";

const LOCATION = /^[0-9a-f]{2}\/([0-9a-f]{64})(?:\.([0-9a-f]{16})(\.place)?)?$/;

export function isLocation(location: string): boolean {
  return LOCATION.test(location);
}

/** Locations come from a record, which may have been tampered with. Throws `bad-location`. */
export function checkedLocation(location: Location): Location {
  if (isLocation(location)) return location;
  throw new AlamodeError(
    "bad-location",
    `this is no location of a store in PostgreSQL: ${JSON.stringify(location)}`,
    { hint: "The record is damaged, or belongs to another store." },
  );
}

/**
 * The schema of a tree: `o_` and 60 digits of the output's ID; of another tree of the same output `o_`, 44 digits, `_` and 16 digits of
 * its digest.
 */
export function schemaOf(location: Location): string {
  const [, output = "", digest] = LOCATION.exec(checkedLocation(location))!;
  return digest === undefined ? `o_${output.slice(0, 60)}` : `o_${output.slice(0, 44)}_${digest}`;
}

/** What a schema's comment says, by which it is known for an output's. */
export function commentOf(output: OutputId, digest: TreeDigest): string {
  return `a-la-mode output ${output} tree ${digest}`;
}

/** A name as SQL takes it whatever is in it. */
export function quoted(...names: readonly string[]): string {
  return names.map((name) => `"${name.replaceAll('"', '""')}"`).join(".");
}

/** A text as SQL takes it, where no parameter can be. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
