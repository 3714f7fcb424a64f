// The one file that makes a client for S3, and that knows what its errors mean. The client is loaded when the first object is
// asked for, and never before. docs/decisions/010-s3-client.md
import type { S3Client } from "@aws-sdk/client-s3";
import { AlamodeError } from "../errors.ts";
import { whyNot } from "./fetch-url.ts";

export interface S3Options {
  /** Of a server that is not Amazon's, e.g. `http://127.0.0.1:7480`; by default AWS_ENDPOINT_URL, if that is set. */
  readonly endpoint?: string;
  /** By default AWS_REGION, or that of the profile. */
  readonly region?: string;
}

export interface S3Patience {
  /** How long a connection may take, in ms. */
  readonly connectMs?: number;
  /** How long a connection may be silent, in ms: slow ones are not, dead ones are. */
  readonly idleMs?: number;
  /** How often a request is sent before it has failed; the client's own three unless said. */
  readonly attempts?: number;
}

/** After so long without a connection, or a byte on one, a server counts as gone. */
const CONNECT_MS = 10_000;
const IDLE_MS = 120_000;

/**
 * Loads the client. Credentials are found as Amazon's own tools do: environment, profiles, the machine's role. Bodies must not be
 * streams: other servers do not know the trailers that those are sent with, and they are never sent again.
 */
export async function openS3Client(
  { endpoint: asked, region }: S3Options,
  { connectMs = CONNECT_MS, idleMs = IDLE_MS, attempts }: S3Patience = {},
): Promise<S3Client> {
  const { S3Client } = await import("@aws-sdk/client-s3");
  const { env } = process;
  const endpoint = asked ?? env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"];
  const config = {
    ...(region === undefined ? {} : { region }),
    // Servers of one's own rarely have a host name for each bucket.
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(attempts === undefined ? {} : { maxAttempts: attempts }),
    followRegionRedirects: true,
    requestChecksumCalculation: "WHEN_REQUIRED" as const,
    requestHandler: { connectionTimeout: connectMs, socketTimeout: idleMs },
  };
  const client = new S3Client(config);
  const isSaid = await client.config.region().then(
    () => true,
    () => false,
  );
  // Any region will do to ask: other servers have none, and Amazon's say which it is.
  return isSaid ? client : new S3Client({ ...config, region: "us-east-1" });
}

/**
 * Refuses an endpoint that is no plain http or https URL: credentials are never part of one. `named` begins the message. Throws
 * `bad-url`.
 */
export function checkEndpoint(endpoint: string, named: string): void {
  const parsed = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isPlain = parsed?.username === "" && parsed.password === "";
  if ((parsed?.protocol === "http:" || parsed?.protocol === "https:") && isPlain) return;
  throw new AlamodeError("bad-url", `${named}: an http or https URL without a password is needed.`, {
    hint: "Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
  });
}

export interface S3Trouble {
  /** What went wrong, in words that hold no secret: the client's own may quote keys and signatures. */
  readonly what: string;
  /** Whether the same may work later. */
  readonly transient: boolean;
  readonly hint?: string;
}

/** What servers answer where temporary credentials are too old. */
const EXPIRED: ReadonlySet<string> = new Set([
  "ExpiredToken",
  "ExpiredTokenException",
  "TokenRefreshRequired",
]);

/** Statuses and codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
export function s3Trouble(error: unknown): S3Trouble {
  const name = s3ErrorName(error);
  const status = s3Status(error);
  const said = error instanceof Error ? error.message : "";
  if (EXPIRED.has(name) || (/^(Credentials|Token)ProviderError$/.test(name) && /expired/i.test(said))) {
    return {
      what: "the credentials for S3 have expired",
      transient: false,
      hint: "Renew them where they come from (aws sso login, say), and run again.",
    };
  }
  if (name === "RequestTimeTooSkewed") {
    return {
      what: "the clock of this machine is too far from the server's",
      transient: false,
      hint: "Set the clock, and run again.",
    };
  }
  if (name === "CredentialsProviderError") {
    const what = "there are no credentials for S3";
    return {
      what,
      transient: false,
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
    };
  }
  if (status === undefined || status < 300) return { what: whyNot(error), transient: true };
  const code = /^[A-Z]\w+$/.test(name) && !["Unknown", "Error"].includes(name) ? ` ${name}` : "";
  if (status === 401 || status === 403) {
    return {
      what: `the server refuses access (${status}${code})`,
      transient: false,
      hint: "Check which credentials are used (AWS_ACCESS_KEY_ID, AWS_PROFILE), and whether they may do this.",
    };
  }
  return { what: `the server answered ${status}${code}`, transient: status >= 500 || status === 429 };
}

/** Of an answer that says no; undefined where none came. */
export function s3Status(error: unknown): number | undefined {
  return (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** S3's word for what is wrong, such as `NoSuchBucket`. */
export function s3ErrorName(error: unknown): string {
  return error instanceof Error ? error.name : "";
}
