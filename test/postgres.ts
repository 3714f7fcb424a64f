// A real PostgreSQL server for tests, in a folder and on a port of its own. As root the server runs as another user, since it
// refuses to be root.
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NOBODY = 65534;

export interface Postgres {
  /** postgres://postgres@127.0.0.1:<port>/postgres, without a password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Absolute folder of the socket that it also listens at. */
  readonly socket: string;
  /** Starts it again after `shut`. Returns once it takes connections. */
  start(): void;
  /** `fast` ends what goes on; `immediate` is a crash: the next start recovers. */
  shut(how: "fast" | "immediate"): void;
  /** What psql prints for the statement, without headers; in the database `postgres` unless another is named. */
  sql(statement: string, database?: string): string;
  /** Ends it, if it runs, and removes its folder. */
  stop(): void;
}

export interface PostgresOptions {
  /** Whether what is committed survives `shut("immediate")`. Costs a sync for each commit. */
  readonly durable?: boolean;
  /** The address it listens at; 127.0.0.1 unless given. */
  readonly host?: string;
  /** Put before each command line, e.g. `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  /** How it asks for passwords: `trust` unless given. */
  readonly password?: string;
}

/** The statement, performed behind the guard of a store in PostgreSQL: as only who rules the server can, and so that no catalogue tells. */
export function behindGuard(sql: (statement: string) => string, statement: string): void {
  const guard = "alamode_store.refuse_change()";
  const kept = sql(`SELECT pg_get_functiondef('${guard}'::regprocedure)`);
  const open = `CREATE OR REPLACE FUNCTION ${guard} RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`;
  sql(`${open}; ${statement}; ${kept}`);
}

/** Why there can be no PostgreSQL here; undefined where there can. */
export function whyNoPostgres(): string | undefined {
  return binFolder() === undefined ? "PostgreSQL's server is not installed" : undefined;
}

/** Debian keeps the server's programs off the PATH, a folder for each version. */
function binFolder(): string | undefined {
  const versions = "/usr/lib/postgresql";
  const folders = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, "bin"))
    : [];
  const onPath = (process.env["PATH"] ?? "").split(":");
  return [...folders, ...onPath].find((folder) => existsSync(join(folder, "initdb")));
}

/** Starts one, which takes about a second. Nothing is left if that fails. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const dir = mkdtempSync(join(tmpdir(), "alamode-pg-"));
  const server = new Server(dir, binFolder()!, await freePort(), options);
  try {
    server.init();
    server.start();
    return server;
  } catch (error) {
    server.stop();
    throw error;
  }
}

class Server implements Postgres {
  readonly url: string;
  readonly host: string;
  readonly socket: string;
  readonly port: number;
  readonly #dir: string;
  readonly #bin: string;
  readonly #options: PostgresOptions;
  readonly #onExit = () => this.stop();
  readonly #onTerm = () => process.exit(143);

  constructor(dir: string, bin: string, port: number, options: PostgresOptions) {
    this.#dir = dir;
    this.#bin = bin;
    this.#options = options;
    this.host = options.host ?? "127.0.0.1";
    this.port = port;
    this.socket = join(dir, "s");
    this.url = `postgres://postgres@${this.host}:${port}/postgres`;
    process.once("exit", this.#onExit); // of a test that crashed
    process.once("SIGTERM", this.#onTerm); // or was stopped
  }

  init(): void {
    chmodSync(this.#dir, 0o711); // to its socket, also from within a sandbox
    if (process.getuid?.() === 0) chownSync(this.#dir, NOBODY, NOBODY);
    const { password } = this.#options;
    const file = join(this.#dir, "password");
    if (password !== undefined) writeFileSync(file, password);
    const auth = password === undefined ? ["-A", "trust"] : ["-A", "scram-sha-256", `--pwfile=${file}`];
    const args = ["-D", this.#data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", ...auth];
    this.#run(["initdb", ...args]);
    if (this.host === "127.0.0.1") return;
    const line = `host all all ${this.host}/24 ${password === undefined ? "trust" : "scram-sha-256"}\n`;
    appendFileSync(join(this.#data, "pg_hba.conf"), line);
  }

  start(): void {
    const { socket } = this;
    if (!existsSync(socket)) {
      mkdirSync(socket);
      if (process.getuid?.() === 0) chownSync(socket, NOBODY, NOBODY);
    }
    const address = this.host === "127.0.0.1" ? this.host : `127.0.0.1,${this.host}`;
    const settings = [`-c listen_addresses=${address} -p ${this.port} -k ${socket} -c max_connections=200`];
    const fast = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off";
    if (!this.#options.durable) settings.push(fast);
    const log = join(this.#dir, "log");
    const ctl = ["pg_ctl", "-D", this.#data, "-w", "-t", "60", "-s", "-l", log, "-o", settings.join(" ")];
    try {
      this.#run([...ctl, "start"]);
    } catch (error) {
      throw new Error(`${error}\n${existsSync(log) ? readFileSync(log, "utf8") : ""}`);
    }
  }

  shut(how: "fast" | "immediate"): void {
    this.#run(["pg_ctl", "-D", this.#data, "-w", "-t", "60", "-s", "-m", how, "stop"]);
  }

  sql(statement: string, database = "postgres"): string {
    const { password } = this.#options;
    const at = ["-h", this.socket, "-p", `${this.port}`, "-U", "postgres", "-d", database];
    const env = password === undefined ? {} : { PGPASSWORD: password };
    return this.#run(["psql", ...at, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement], env);
  }

  stop(): void {
    process.off("exit", this.#onExit);
    process.off("SIGTERM", this.#onTerm);
    if (existsSync(join(this.#data, "postmaster.pid"))) {
      try {
        this.shut("immediate");
      } catch {
        // It had ended already.
      }
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#dir, "data");
  }

  #run([program, ...args]: readonly string[], env: Record<string, string> = {}): string {
    const user =
      process.getuid?.() === 0 ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"] : [];
    const argv = [...(this.#options.prefix ?? []), ...user, join(this.#bin, program!), ...args];
    const { status, stdout, stderr, error } = spawnSync(argv[0]!, argv.slice(1), {
      cwd: "/",
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: "/tmp", LC_ALL: "C", ...env },
      timeout: 120_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error ?? stderr}`);
    return stdout.trim();
  }
}

/** A port that nobody listened at a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
