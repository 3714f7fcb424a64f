// The collage of the README, with the specs that the Python original's README has: the same IDs, by either program.
// To be planned and compared, not run: the three programs it names are not here.
//
//   alamode plan -f examples/identity.ts -o before.dag
//   BLUR_SHA=qwetr3 alamode plan -f examples/identity.ts -o after.dag
//   alamode diff before.dag after.dag
import { Dag } from "a-la-mode";

/** `blurSha` is the version of the code that blurs. */
export function collage(blurSha: string): Dag {
  const dag = new Dag({ schedule: "@daily" });
  const image = "collage";
  const sha = "1qe34";
  const download = dag.task("download_images", { image, sha, command: "python dl_images.py" });
  const blur = dag.task("blur", { image, sha: blurSha, command: "python transform_images.py blur" });
  const edges = dag.task("edge_enhance", { image, sha, command: "python transform_images.py edge_enhance" });
  const sheet = dag.task("collage", { image, sha, command: "python collage.py" });
  blur.addDep(download);
  edges.addDep(download);
  sheet.addDep(blur);
  sheet.addDep(edges);
  return dag;
}

export default collage(process.env["BLUR_SHA"] ?? "6f09d");
