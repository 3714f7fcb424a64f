// Where a shared record is, from its URL: what libpq's URLs say, and three parameters of our own. What the URL leaves out
// comes from PGHOST, PGUSER and their like, a password also from ~/.pgpass.
import type { ClientConfig } from "pg";
import { AlamodeError } from "../errors.ts";
import { nearNames } from "../plan/near.ts";
import { connectionConfig, shownUrl } from "../postgres-server.ts";

/** The schema that the tables are in, unless the URL names one with `schema`. */
const SCHEMA = "alamode";
/** How long a run counts as living after its last heartbeat, unless the URL says otherwise with `lease_seconds`. */
const LEASE_S = 30;
/** How long a call waits for a database that cannot be reached, unless the URL says otherwise with `patience_seconds`. */
const PATIENCE_S = 600;
const OWN = ["schema", "lease_seconds", "patience_seconds"];

export interface PostgresPlace {
  /** With everything in it, and so never to be shown. */
  readonly config: ClientConfig;
  /** The URL without password. */
  readonly shown: string;
  readonly schema: string;
  readonly leaseMs: number;
  readonly patienceMs: number;
}

/** Throws `bad-record-url`. */
export function postgresPlace(text: string): PostgresPlace {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw badUrl(shownUrl(text), "it cannot be read as a URL"); // its own error would show a password
  }
  const shown = shownUrl(text);
  const own = (name: string, usual: string) => {
    const value = url.searchParams.get(name) ?? usual;
    url.searchParams.delete(name);
    return value;
  };
  const seconds = (name: string, usual: number) => {
    const value = own(name, `${usual}`);
    if (!/^[1-9]\d{0,5}$/.test(value)) throw badUrl(shown, `${name} must be a whole number of seconds`);
    return Number(value) * 1000;
  };
  const schema = own("schema", SCHEMA);
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw badUrl(shown, "a schema's name has small letters, digits and _ only, at most 63 of them");
  }
  const leaseMs = seconds("lease_seconds", LEASE_S);
  const patienceMs = seconds("patience_seconds", PATIENCE_S);
  for (const name of url.searchParams.keys()) {
    const [near] = nearNames(name, OWN); // all others are libpq's, and its own matter
    if (near !== undefined) throw badUrl(shown, `"${name}" is no parameter of it. Near: ${near}`);
  }
  // Functions keep the plans of their first calls, when tables may have been empty: those have to go by the indexes too.
  // And a success that was answered for must outlive the server's crash, however that is set up for others.
  const always = { search_path: schema, enable_seqscan: "off", jit: "off", synchronous_commit: "on" };
  return {
    config: connectionConfig(url, always),
    shown,
    schema,
    leaseMs,
    patienceMs,
  };
}

function badUrl(shown: string, why: string): AlamodeError {
  return new AlamodeError("bad-record-url", `the record ${shown} cannot be opened: ${why}`, {
    hint: "Write it as  postgres://user@host:5432/database?schema=alamode",
  });
}
