// alamode record forget-store: what lay in a store that is gone for good counts as lost from then on, for all who share the record.
import { jsonLine } from "../../bencode/as-json.ts";
import { AlamodeError } from "../../errors.ts";
import { shownPlace } from "../../project.ts";
import { type CommonOptions, contextOf, withExisting } from "../context.ts";
import { EXIT } from "../errors.ts";
import { count } from "../format.ts";

/** How many successes are asked for at once. */
const PAGE = 1000;

/** Throws `store-known` for a store that the project has: what is gone there is found without this. */
export async function forgetStoreCommand(id: string, options: CommonOptions): Promise<number> {
  const context = await contextOf(options);
  return withExisting(context, async ({ record, store: stores }) => {
    const known = await stores.called(id);
    if (known !== undefined) {
      throw new AlamodeError(
        "store-known",
        `that is the store ${shownPlace(known)}, which this project has`,
        {
          hint: "What is gone there is found by  alamode verify --stored",
        },
      );
    }
    const others = new Set<string>();
    let lost = 0;
    for (let after = 0; ; ) {
      const page = await record.originals(after, PAGE);
      const gone = page.filter(({ store }) => store === id);
      for (const { store } of page) if (store !== id) others.add(store);
      await record.mark(
        gone.map(({ id }) => id),
        "lost",
      );
      lost += gone.length;
      if (page.length < PAGE) break;
      after = page.at(-1)!.id;
    }
    if (lost === 0) {
      throw new AlamodeError("unknown-store", `nothing that is made lies in a store ${id}`, {
        hint: others.size === 0 ? "Nothing is made yet." : `There is: ${[...others].join(", ")}`,
      });
    }
    process.stdout.write(
      options.json
        ? `${jsonLine({ store: id, lost })}\n`
        : `${count(lost, "result")} will be made again when needed\n`,
    );
    return EXIT.done;
  });
}
