// Hosts for tests: network namespaces on one switch, each with a name of its own. Nothing is added to this machine's network.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";

/** What a command line begins with to be run there. */
type Prefix = readonly string[];

export interface Hosts {
  /** Address that all hosts reach, of the switch itself: servers listen there. */
  readonly address: string;
  /** To run a server there. */
  readonly server: Prefix;
  /** Names of the hosts. */
  readonly names: readonly string[];
  /** To run a command on the host; its name is what `hostname` says. */
  on(name: string): Prefix;
  /** Pulls a host's cable. */
  cut(name: string): void;
  mend(name: string): void;
  /** Removes them; what runs in them has to have ended. */
  remove(): void;
}

/** Why there can be none here; undefined where there can. */
export function whyNoHosts(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "needs root, for network namespaces";
  const name = `alamode-${randomBytes(3).toString("hex")}`;
  const made = spawnSync("ip", ["netns", "add", name]);
  if (made.status !== 0) return "network namespaces cannot be made here";
  spawnSync("ip", ["netns", "del", name]);
  return undefined;
}

/** So many hosts, named `<random>-1` and on. */
export function makeHosts(count: number): Hosts {
  const id = `alamode-${randomBytes(3).toString("hex")}`;
  const hub = `${id}-switch`;
  const names = Array.from({ length: count }, (_, i) => `${id}-${i + 1}`);
  const hosts: Hosts = {
    address: "10.77.0.254",
    server: ["ip", "netns", "exec", hub],
    names,
    on: (name) => [
      "ip",
      "netns",
      "exec",
      name,
      "unshare",
      "--uts",
      "sh",
      "-c",
      'hostname "$0"; exec "$@"',
      name,
    ],
    cut: (name) => ip("-n", hub, "link", "set", `p${names.indexOf(name) + 1}`, "down"),
    mend: (name) => ip("-n", hub, "link", "set", `p${names.indexOf(name) + 1}`, "up"),
    remove() {
      for (const name of [...names, hub]) spawnSync("ip", ["netns", "del", name]);
    },
  };
  try {
    ip("netns", "add", hub);
    ip("-n", hub, "link", "set", "lo", "up");
    ip("-n", hub, "link", "add", "br0", "type", "bridge");
    ip("-n", hub, "addr", "add", `${hosts.address}/24`, "dev", "br0");
    ip("-n", hub, "link", "set", "br0", "up");
    for (const [i, name] of names.entries()) {
      ip("netns", "add", name);
      ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", `p${i + 1}`, "netns", hub);
      ip("-n", hub, "link", "set", `p${i + 1}`, "master", "br0", "up");
      ip("-n", name, "addr", "add", `10.77.0.${i + 1}/24`, "dev", "eth0");
      ip("-n", name, "link", "set", "eth0", "up");
      ip("-n", name, "link", "set", "lo", "up");
    }
    return hosts;
  } catch (error) {
    hosts.remove();
    throw error;
  }
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}
