// A real S3 server for tests: Ceph's gateway over a cluster of one monitor and one OSD that keeps all in memory. Every daemon is
// a child of the test, in a folder and on ports of its own.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const PROGRAMS = ["ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin"];

/** Longest wait for one of the daemons, in ms: far more than it takes, so that a broken one fails instead of hanging. */
const PATIENCE_MS = 60_000;

export interface Ceph {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Ends the gateway, as a server that goes down. */
  stopGateway(): Promise<void>;
  /** Ends what is left, and removes its folder. */
  stop(): Promise<void>;
}

/** Why there can be no Ceph here; undefined where there can. */
export function whyNoCeph(): string | undefined {
  if (process.platform !== "linux") return "Ceph runs on Linux only";
  if (process.getuid?.() !== 0) return "Ceph is started as root only";
  const missing = PROGRAMS.filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/** Starts all of it, which takes some ten seconds. Nothing is left if that fails. */
export async function startCeph(): Promise<Ceph> {
  const cluster = new Cluster(mkdtempSync(join(tmpdir(), "alamode-ceph-")));
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class Cluster implements Ceph {
  readonly accessKeyId = "test-access";
  readonly secretAccessKey = "test-secret";
  endpoint = "";

  readonly #dir: string;
  readonly #daemons = new Map<string, ChildProcess>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  async start(): Promise<void> {
    for (const name of ["mon", "osd", "rgw", "run"]) mkdirSync(join(this.#dir, name));
    const [monitorPort, gatewayPort] = await freePorts(2);
    const address = `[v2:127.0.0.1:${monitorPort}/0]`;
    const fsid = randomUUID();
    this.endpoint = `http://127.0.0.1:${gatewayPort}`;
    writeFileSync(join(this.#dir, "ceph.conf"), this.#config(fsid, address, gatewayPort!));

    const keyring = join(this.#dir, "keyring");
    writeFileSync(keyring, "");
    this.#run("ceph-authtool", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *");
    const caps = ["mon", "osd", "mgr"].flatMap((service) => ["--cap", service, "allow *"]);
    this.#run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", ...caps);
    const monmap = join(this.#dir, "monmap");
    this.#run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap);
    this.#run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring);
    this.#daemon("ceph-mon", "-i", "a");

    // The OSD's UUID has to be the one that the monitor was told, else it is never taken in.
    const osd = randomUUID();
    this.#run("ceph", "osd", "new", osd);
    this.#run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd);
    this.#daemon("ceph-osd", "-i", "0");
    await this.#until("ceph-osd", async () => this.#run("ceph", "osd", "stat").includes("1 up"));

    this.#daemon("radosgw", "-n", "client.rgw");
    const { accessKeyId, secretAccessKey } = this;
    const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
    this.#run("radosgw-admin", "user", "create", "--uid=test", "--display-name=test", ...keys);
    await this.#until("radosgw", async () =>
      fetch(this.endpoint).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  }

  async stopGateway(): Promise<void> {
    await this.#end("radosgw");
  }

  async stop(): Promise<void> {
    for (const name of ["radosgw", "ceph-osd", "ceph-mon"]) await this.#end(name);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Nothing of it is written to disk that matters, so there is nothing to end in good order. */
  async #end(name: string): Promise<void> {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = new Promise((resolve) => daemon.once("exit", resolve));
    daemon.kill("SIGKILL");
    await ended;
  }

  #daemon(program: string, ...args: string[]): void {
    const all = ["-f", `--conf=${join(this.#dir, "ceph.conf")}`, ...args];
    const daemon = spawn(program, all, { stdio: "ignore" });
    this.#daemons.set(program, daemon);
    process.once("exit", () => daemon.kill("SIGKILL")); // of a test that crashed
  }

  #run(program: string, ...args: string[]): string {
    const env = { ...process.env, CEPH_CONF: join(this.#dir, "ceph.conf") };
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      env,
      encoding: "utf8",
      timeout: PATIENCE_MS,
    });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error ?? stderr}`);
    return stdout;
  }

  async #until(program: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await holds())) {
      const { exitCode } = this.#daemons.get(program)!;
      if (exitCode === null && performance.now() < deadline) await delay(50);
      else throw new Error(`${program} does not come up (exit ${exitCode}): ${this.#lastWords(program)}`);
    }
  }

  #lastWords(program: string): string {
    try {
      return readFileSync(join(this.#dir, "run", `${program}.log`), "utf8").slice(-2000);
    } catch {
      return "it has no log";
    }
  }

  #config(fsid: string, monitor: string, gatewayPort: number): string {
    const dir = this.#dir;
    return `[global]
fsid = ${fsid}
mon_initial_members = a
mon_host = ${monitor}
# Nobody but this test reaches it; without a plain mode the gateway insists on keys all the same.
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = ${dir}/run
admin_socket = ${dir}/run/$name.asok
keyring = ${dir}/keyring
log_to_stderr = false
# One OSD, so one copy, and few placement groups.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
# Each new pool is a decision of the monitor, which else waits a second for more to decide on.
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_data_avail_crit = 1
mon_data_avail_warn = 2
osd_class_load_list = *
osd_class_default_list = *
[mon.a]
host = ${hostname().split(".")[0]}
mon_data = ${dir}/mon
log_file = ${dir}/run/ceph-mon.log
[osd.0]
host = ${hostname().split(".")[0]}
osd_data = ${dir}/osd
osd_objectstore = memstore
memstore_device_bytes = 1073741824
log_file = ${dir}/run/ceph-osd.log
[client.rgw]
rgw_data = ${dir}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${gatewayPort} tcp_nodelay=1
log_file = ${dir}/run/radosgw.log
`;
  }
}

/** Ports that nobody listened at a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
