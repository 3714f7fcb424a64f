// This machine, as the record names it.
import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";

export interface Host {
  readonly host: string;
  /** Changes with each boot; "" where the system has none. */
  readonly boot: string;
  readonly user: string;
}

export function thisHost(): Host {
  return { host: hostname(), boot: bootId(), user: userName() };
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? ""); // a uid without an entry in the password file
  }
}
