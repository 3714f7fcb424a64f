// A registry of npm's with packages of the test's own, and a lock file that names them: real installations without the world.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { removeTree } from "../src/store/remove.ts";

/** Programs as steps find them. */
const PATH = "/usr/local/bin:/usr/bin:/bin";

export const noNpm =
  spawnSync("npm", ["--version"], { env: { PATH } }).status === 0 ? false : "steps find no npm here";

export interface Registry {
  /** What a step has to be handed for npm to ask this registry, and to keep what it fetched with the test. */
  readonly env: Readonly<Record<string, string>>;
  /** Publishes version 1.0.0 of a package. Returns its entry in a lock file. */
  publish(name: string, files: Readonly<Record<string, string>>): { version: string; integrity: string };
  /** How often a package's content was fetched. */
  fetched(name: string): number;
}

export async function openRegistry(t: Pick<TestContext, "after">): Promise<Registry> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-npm-")));
  const packages = new Map<string, { tarball: Buffer; integrity: string; fetched: number }>();
  const server = createServer(({ url = "" }, response) => {
    const [, name = "", tarball] = /^\/([^/]+)(\/-\/.*)?$/.exec(decodeURIComponent(url)) ?? [];
    const found = packages.get(name);
    if (found === undefined) return response.writeHead(404).end("{}");
    if (tarball !== undefined) {
      found.fetched++;
      return response.end(found.tarball);
    }
    const dist = { tarball: `${origin}/${name}/-/${name}-1.0.0.tgz`, integrity: found.integrity };
    const versions = { "1.0.0": { name, version: "1.0.0", dist } };
    return response.end(JSON.stringify({ name, "dist-tags": { latest: "1.0.0" }, versions }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    await removeTree(dir);
  });
  return {
    env: { PATH, HOME: dir, npm_config_registry: origin, npm_config_cache: join(dir, "cache") },
    publish(name, files) {
      const folder = join(dir, "packages", name);
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, "package", path)), { recursive: true });
        writeFileSync(join(folder, "package", path), text);
      }
      const file = join(folder, "package.tgz");
      const packed = spawnSync("tar", ["-C", folder, "-czf", file, "package"]);
      if (packed.status !== 0) throw new Error(String(packed.stderr));
      const tarball = readFileSync(file);
      const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
      packages.set(name, { tarball, integrity, fetched: 0 });
      return { version: "1.0.0", integrity };
    },
    fetched: (name) => packages.get(name)!.fetched,
  };
}
