// This machine, as the record names it.
import { hostname, userInfo } from "node:os";
import { bootId } from "../store/boot.ts";

export interface Host {
  readonly host: string;
  /** Changes with each boot; "" where the system has none. */
  readonly boot: string;
  readonly user: string;
}

export function thisHost(): Host {
  return { host: hostname(), boot: bootId(), user: userName() };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? ""); // a uid without an entry in the password file
  }
}
