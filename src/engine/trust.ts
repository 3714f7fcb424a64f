// Promise 2: which successes are believed as they are, and which have to be hashed first.
import type { Standing } from "../record/types.ts";
import type { Store } from "../store/types.ts";
import type { Host } from "./host.ts";

/** Whether a success is believed without its bytes being hashed again (see `trusted` in facts.ts). */
export function trustedUnseen(
  success: Pick<Standing, "store" | "settled" | "host" | "boot">,
  { store, host }: { readonly store: Store; readonly host: Host },
): boolean {
  const here = success.host === host.host && success.boot === host.boot;
  return (success.settled || here || store.durable) && success.store === store.id;
}
