// Decorators by which the n-th call of a store or a record fails, as disks and databases do.
import { AlamodeError } from "../../src/errors.ts";
import type { RecordDb } from "../../src/record/types.ts";
import type { Store } from "../../src/store/types.ts";

/** `before`: nothing was done. `after`: it was done, and only the answer is lost. */
export type When = "before" | "after";

export interface Fault {
  /** Which call fails, counted from 1 over all methods. */
  readonly at: number;
  /** How many calls in a row fail, from that on. */
  readonly times: number;
  readonly when: When;
  readonly error: () => Error;
}

/** What was called at the fault, in order; empty where there were not so many calls. */
export interface Fired {
  readonly calls: string[];
}

export function noSpace(): Error {
  return new AlamodeError("no-space", "no space is left on the device");
}

export function inputOutputError(): Error {
  return Object.assign(new Error("EIO: i/o error, write"), { code: "EIO", errno: -5, syscall: "write" });
}

/** What asks nothing of a disk or a database: it only says who is to be told of what. */
const ASK_NOTHING: ReadonlySet<string | symbol> = new Set(["close", "onPause", "onEnd"]);

/** Every method passes through but those that are to fail. What is no method is left alone, and so is what asks nothing. */
export function withFault<Target extends Store | RecordDb>(
  target: Target,
  { at, times, when, error }: Fault,
): { readonly faulty: Target; readonly fired: Fired } {
  const fired: Fired = { calls: [] };
  let count = 0;
  const faulty = new Proxy(target, {
    get(inner, name) {
      const value: unknown = Reflect.get(inner, name);
      if (typeof value !== "function" || ASK_NOTHING.has(name)) return value;
      return async (...given: unknown[]) => {
        const failing = ++count >= at && count < at + times;
        if (failing) fired.calls.push(String(name));
        if (failing && when === "before") throw error();
        const answer: unknown = await Reflect.apply(value, inner, given);
        if (failing) throw error();
        return answer;
      };
    },
  });
  return { faulty, fired };
}
