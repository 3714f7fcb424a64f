// The S3 store against a real server: Ceph's gateway.
import { after, before, test } from "node:test";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { openS3Store } from "../../src/store/s3.ts";
import { type Ceph, startCeph, whyNoCeph } from "../ceph.ts";
import { storeContract } from "./contract.ts";

const skip = whyNoCeph();
let ceph: Ceph;
let client: S3Client;
const bucket = "stores";

if (skip !== undefined) test("the S3 store", { skip }, () => {});
else {
  before(async () => {
    ceph = await startCeph();
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: ceph.accessKeyId,
      AWS_SECRET_ACCESS_KEY: ceph.secretAccessKey,
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    });
    client = new S3Client({ endpoint: ceph.endpoint, region: "us-east-1", forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });
  after(async () => {
    client?.destroy();
    await ceph?.stop();
  });

  storeContract("s3", (dir) =>
    openS3Store(`s3://${bucket}${dir}?endpoint=${encodeURIComponent(ceph.endpoint)}`, {
      dir: `${dir}/local`,
      cache: { dir: `${dir}/cache`, capBytes: 2 ** 30 },
    }),
  );
}
