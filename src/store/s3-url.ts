// Where a store in S3 is: s3://bucket/prefix?endpoint=…&region=…
import { AlamodeError } from "../errors.ts";
import { checkEndpoint, type S3Options } from "../plan/s3-client.ts";

export interface S3Place extends S3Options {
  readonly bucket: string;
  /** What all keys begin with: "", or text that ends in a slash. */
  readonly prefix: string;
  /** For messages: without credentials, which are never part of it. */
  readonly url: string;
}

/** Throws `bad-store`. */
export function parseS3StoreUrl(url: string): S3Place {
  const bad = (
    why: string,
    hint = "Write s3://bucket/prefix, and ?endpoint=http://… for a server that is not Amazon's.",
  ) => new AlamodeError("bad-store", `${withoutSecrets(url)} names no store in S3: ${why}`, { hint });
  if (url.includes("@"))
    throw bad(
      "it holds a user or password",
      "Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
    );
  const [, bucket, path = "", query = ""] =
    /^s3:\/\/([a-z0-9][\w.-]+)(\/[^?#]*)?(?:\?([^#]*))?$/s.exec(url) ?? [];
  if (bucket === undefined) throw bad("there is no bucket in it");
  const names = path.split("/").filter((name) => name !== "");
  if (names.some((name) => name === "." || name === ".."))
    throw bad("its prefix has names that lead elsewhere");
  const options = new URLSearchParams(query);
  for (const name of options.keys())
    if (name !== "endpoint" && name !== "region") throw bad(`"${name}" is no option of it`);
  const [endpoint, region] = [options.get("endpoint"), options.get("region")];
  if (endpoint !== null) checkEndpoint(endpoint, `${withoutSecrets(url)}: endpoint`);
  return {
    bucket,
    prefix: names.map((name) => `${name}/`).join(""),
    url,
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
  };
}

function withoutSecrets(url: string): string {
  return url.replaceAll(/[^/?=&]*@/g, "…@");
}
