// The name of this start of the machine.
import { readFileSync } from "node:fs";

/** Changes with each boot; "" where the system has none. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
