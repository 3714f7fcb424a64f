// Schemas in the making. Each belongs to one step, whose commands log in as a role of its own: so its sessions are known whatever they
// call themselves, and can write nowhere else. It lasts as long as an advisory lock of the process that made it; what a dead process
// left is removed by the next that makes one.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { AlamodeError } from "../errors.ts";
import type { PostgresServer, Session } from "./postgres-connection.ts";
import { literal, OWN } from "./postgres-names.ts";

/** How long the server may take to say that it still holds our locks. */
const ANSWER_MS = 60_000;
/** How long sessions of a step may take to end when they are told to. */
const ENDING_MS = 30_000;
const LOOK_MS = 20;

export interface Scratch {
  /** 16 hex. */
  readonly name: string;
  readonly schema: string;
}

/** One that a command may use. */
export interface OpenScratch extends Scratch {
  readonly role: string;
  readonly password: string;
}

export class PostgresScratches {
  readonly #server: PostgresServer;
  /** The role that may read outputs. */
  readonly #readers: string;
  /** Holds the locks of all that this process has. */
  #keeper: Promise<pg.Client> | undefined;
  #asked: Promise<unknown> = Promise.resolve();
  readonly #held = new Set<string>();

  constructor(server: PostgresServer, readers: string) {
    this.#server = server;
    this.#readers = readers;
  }

  /** For the store's own use. */
  async make(): Promise<Scratch> {
    const scratch = await this.#named();
    await this.#server.transaction((session) => begun(session, scratch));
    return scratch;
  }

  /** For a command, which may make what it likes in it, and read outputs. */
  async open(): Promise<OpenScratch> {
    const scratch = await this.#named();
    const role = roleOf(scratch);
    const password = randomBytes(24).toString("base64url");
    await this.#server.transaction(async (session) => {
      if (!(await begun(session, scratch))) return;
      // Not the password itself: the server may log what it is told.
      await session.rows(
        `CREATE ROLE ${role} LOGIN PASSWORD ${literal(verifierOf(password))} IN ROLE ${this.#readers}`,
      );
      await session.rows(`GRANT ${role} TO CURRENT_USER`);
      await session.rows(`GRANT USAGE, CREATE ON SCHEMA ${scratch.schema} TO ${role}`);
    });
    return { ...scratch, role, password };
  }

  /**
   * Ends the sessions of a scratch that a command used, and lets in no more; all that it made is the store's own then, and has reached
   * the disk. Throws `bad-output` for what it made elsewhere in the database, and `making-lost`.
   */
  async takeOver(scratch: Scratch): Promise<void> {
    await this.#checkHeld(scratch);
    await this.#endSessions(scratch);
    const role = roleOf(scratch);
    await this.#server.transaction(async (session) => {
      const strays = await session.rows<{ what: string }>(
        `SELECT pg_describe_object(s.classid, s.objid, 0) AS what FROM pg_shdepend s
         WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = ${literal(role)}::regrole AND s.deptype = 'o'
           AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = s.classid AND d.objid = s.objid
             AND d.refclassid = 'pg_namespace'::regclass AND d.refobjid = ${literal(scratch.schema)}::regnamespace)`,
      );
      const [stray] = strays;
      if (stray !== undefined) {
        throw new AlamodeError("bad-output", `made ${stray.what} outside of the schema $OUTPUT`, {
          hint: "Make all of it in $OUTPUT, which is the search_path. Large objects cannot be kept yet.",
        });
      }
      await session.rows(`REASSIGN OWNED BY ${role} TO CURRENT_USER`);
      await session.rows(`REVOKE ALL ON SCHEMA ${scratch.schema} FROM ${role}`);
    });
    await this.#checkHeld(scratch);
  }

  /** The same for one whose command was ended by something: of a server that is ending all sessions, some end before others. */
  async checkHeld(scratch: Scratch): Promise<void> {
    await (await this.#server.connect()).end(); // refused, and waited for, until such a server is there again
    await this.#checkHeld(scratch);
  }

  /**
   * Throws `making-lost` where the connection broke that holds its lock. Others may have removed it then; and if the server crashed, it may
   * have lost what it told the command that it had: rows that were committed without waiting for the disk, and of unlogged tables all.
   */
  async #checkHeld({ name }: Scratch): Promise<void> {
    const keeper = this.#held.has(name) ? await this.#keeper?.catch(() => undefined) : undefined;
    // It is asked, since a connection that broke just now may not have told yet.
    const answer = keeper && (await this.#ask(keeper, "SELECT").catch(() => undefined));
    if (answer !== undefined && this.#held.has(name)) return;
    void keeper?.end().catch(() => {}); // of no use any more, if it only did not answer
    throw makingLost(this.#server.url);
  }

  /** Removes what is left of it, at any stage. What cannot be reached is removed by whoever makes one next. */
  async drop(scratch: Scratch): Promise<void> {
    try {
      await this.#drop(scratch);
    } catch (error) {
      if (!(error instanceof AlamodeError)) throw error;
    } finally {
      await this.#letGo(scratch);
    }
  }

  async #drop(scratch: Scratch): Promise<void> {
    const role = roleOf(scratch);
    await this.#endSessions(scratch);
    await this.#server.transaction(async (session) => {
      // Whoever commits it meanwhile comes first, or finds it gone.
      await session.rows(`SELECT FROM ${OWN}.makings WHERE name = $1 FOR UPDATE`, scratch.name);
      await session.rows(`DROP SCHEMA IF EXISTS ${scratch.schema} CASCADE`);
      if (await roleExists(session, role)) {
        await session.rows(`DROP OWNED BY ${role} CASCADE`);
        await session.rows(`DROP ROLE ${role}`);
      }
      await session.rows(`DELETE FROM ${OWN}.makings WHERE name = $1`, scratch.name);
    });
  }

  /** Ends all sessions of its role, and lets in no more. */
  async #endSessions(scratch: Scratch): Promise<void> {
    const role = roleOf(scratch);
    const open = await this.#server.transaction(async (session) => {
      const there = await roleExists(session, role);
      if (there) await session.rows(`ALTER ROLE ${role} NOLOGIN`);
      return there;
    });
    if (!open) return;
    const since = performance.now();
    for (;;) {
      // One that is about to log in is not among them yet: it is refused, or found by the next look.
      const left = await this.#server.rows<{ pid: number }>(
        "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
        role,
      );
      if (left.length === 0) break;
      if (performance.now() - since > ENDING_MS) {
        throw new AlamodeError(
          "store-unreachable",
          `a session of the step (server process ${left[0]!.pid}) does not end`,
          { hint: "See what it waits for in pg_stat_activity, then run again.", transient: true },
        );
      }
      await delay(LOOK_MS);
    }
    const prepared = await this.#server.rows<{ gid: string }>(
      "SELECT gid FROM pg_prepared_xacts WHERE owner = $1 AND database = current_database()",
      role,
    );
    for (const { gid } of prepared) await this.#server.rows(`ROLLBACK PREPARED ${literal(gid)}`);
  }

  /** A new one's name, with its lock held. */
  async #named(): Promise<Scratch> {
    const keeper = await this.#keep();
    const name = randomBytes(8).toString("hex");
    await this.#ask(keeper, `SELECT pg_advisory_lock(${lockOf(name)})`);
    this.#held.add(name);
    return { name, schema: `s_${name}` };
  }

  /** One query after another: pg's connections are to be asked so. */
  #ask(keeper: pg.Client, sql: string): Promise<unknown> {
    const query = { text: sql, query_timeout: ANSWER_MS };
    const asked = this.#asked.then(() => keeper.query(query));
    this.#asked = asked.catch(() => {});
    return asked;
  }

  #keep(): Promise<pg.Client> {
    if (this.#keeper !== undefined) return this.#keeper;
    const keeper = this.#connected(() => {
      if (this.#keeper !== keeper) return; // it has told so before, and there is another by now
      this.#keeper = undefined;
      this.#held.clear();
    });
    this.#keeper = keeper;
    return keeper;
  }

  async #connected(lost: () => void): Promise<pg.Client> {
    try {
      const client = await this.#server.connect();
      client.on("error", lost).on("end", lost);
      await this.#sweep(client);
      return client;
    } catch (error) {
      lost();
      throw error;
    }
  }

  /** Removes what dead processes left. */
  async #sweep(keeper: pg.Client): Promise<void> {
    const all = await this.#server.rows<{ name: string }>(`SELECT name FROM ${OWN}.makings`);
    for (const { name } of all) {
      const { rows } = await keeper.query(`SELECT pg_try_advisory_lock(${lockOf(name)}) AS free`);
      if (!rows[0].free) continue;
      try {
        await this.#drop({ name, schema: `s_${name}` });
      } catch (error) {
        if (!(error instanceof AlamodeError)) throw error; // the next tries again
      } finally {
        await keeper.query(`SELECT pg_advisory_unlock(${lockOf(name)})`);
      }
    }
  }

  async #letGo({ name }: Scratch): Promise<void> {
    if (!this.#held.delete(name)) return;
    const keeper = await this.#keeper?.catch(() => undefined);
    if (keeper === undefined) return;
    await this.#ask(keeper, `SELECT pg_advisory_unlock(${lockOf(name)})`).catch(() => {}); // ended with the connection
  }

  async close(): Promise<void> {
    const keeper = await this.#keeper?.catch(() => undefined);
    this.#keeper = undefined;
    keeper?.removeAllListeners("end");
    await keeper?.end().catch(() => {});
  }
}

/** Begins it; false where that was done already, and only the answer was lost. */
async function begun({ rows }: Session, { name, schema }: Scratch): Promise<boolean> {
  const added = await rows(
    `INSERT INTO ${OWN}.makings (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING name`,
    name,
  );
  if (added.length > 0) await rows(`CREATE SCHEMA ${schema}`);
  return added.length > 0;
}

/** What was in the making there cannot be told to be what its command made. */
export function makingLost(url: string): AlamodeError {
  return new AlamodeError("making-lost", `the connection to ${url} broke while it was made`, {
    facts: { store: url },
    hint: "See whether the database was restarted, or ends connections that are idle, then run again.",
    transient: true,
  });
}

async function roleExists({ rows }: Session, role: string): Promise<boolean> {
  return (await rows("SELECT FROM pg_roles WHERE rolname = $1", role)).length > 0;
}

function roleOf({ name }: Scratch): string {
  return `alamode_step_${name}`;
}

/** The key of its advisory lock, as SQL. */
function lockOf(name: string): string {
  return `${BigInt.asIntN(64, BigInt(`0x${name}`))}::bigint`;
}

/** What the server keeps of a password, which is enough to check it and not to log in: RFC 5803. */
function verifierOf(password: string): string {
  const rounds = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, rounds, 32, "sha256");
  const keyed = (text: string) => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(keyed("Client Key")).digest("base64");
  const server = keyed("Server Key").toString("base64");
  return `SCRAM-SHA-256$${rounds}:${salt.toString("base64")}$${stored}:${server}`;
}
