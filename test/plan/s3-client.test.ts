// What is said of the troubles that S3 has: of those that no test server has, too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { s3Trouble } from "../../src/plan/s3-client.ts";

function answered(status: number, name: string): Error {
  return Object.assign(new Error("no"), { name, $metadata: { httpStatusCode: status } });
}

function local(name: string, message: string): Error {
  return Object.assign(new Error(message), { name, $metadata: {} });
}

test("credentials that are too old are told as that, whoever finds it out", () => {
  for (const error of [
    answered(400, "ExpiredToken"),
    answered(403, "ExpiredTokenException"),
    local("CredentialsProviderError", "The SSO session associated with this profile has expired."),
  ]) {
    const { what, transient, hint } = s3Trouble(error);
    assert.equal(what, "the credentials for S3 have expired");
    assert.equal(transient, false);
    assert.match(hint ?? "", /Renew/);
  }
  const none = s3Trouble(local("CredentialsProviderError", "Could not load credentials from any providers"));
  assert.equal(none.what, "there are no credentials for S3");
});

test("a clock that is wrong, a refusal and a server in trouble are told apart", () => {
  assert.match(s3Trouble(answered(403, "RequestTimeTooSkewed")).hint ?? "", /clock/);
  assert.match(s3Trouble(answered(403, "AccessDenied")).what, /refuses access \(403 AccessDenied\)/);
  assert.deepEqual(s3Trouble(answered(503, "SlowDown")), {
    what: "the server answered 503 SlowDown",
    transient: true,
  });
});
