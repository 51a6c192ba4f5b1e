/**
 * Real S3 servers for tests, as `scripts/services install s3` put them in place.
 *
 * @module
 */
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { ROOT } from "./paths.ts";
import { isInstalled, S3_HOME } from "./services.ts";

/** What the server lets in. */
export const S3_CREDENTIALS = { accessKeyId: "test", secretAccessKey: "testsecret" } as const;

/** The region that the server says it is in. */
export const S3_REGION = "us-east-1";

/** A server, and what tests do with it. */
export interface S3Server {
  /** `http://127.0.0.1:PORT`; buckets are in the path. */
  readonly url: string;
  readonly client: S3Client;
  /** Makes a bucket that no other test has, and returns its name. */
  bucket(): Promise<string>;
  /** Puts objects, several at a time. */
  put(bucket: string, objects: Iterable<readonly [key: string, body: string | Uint8Array]>): Promise<void>;
  remove(bucket: string, key: string): Promise<void>;
}

/**
 * Has one server run before the first test of this file until after the last one; tests call the function that this returns. Where
 * `BSKYINGEST_TEST_S3_URL` names a server that one is used, and the buckets that the tests made in it are deleted.
 */
export function sharedS3(): () => S3Server {
  const given = Deno.env.get("BSKYINGEST_TEST_S3_URL");
  let shared: S3Server & AsyncDisposable | undefined;
  Deno.test.beforeAll(async () => {
    if (given) shared = s3ServerAt(given);
    else if (isInstalled("s3")) shared = await startS3();
  });
  Deno.test.afterAll(async () => await shared?.[Symbol.asyncDispose]());
  return () => {
    if (!shared) throw new Error("Cannot use the S3 server: it is not installed, or no test runs yet");
    return shared;
  };
}

/** Starts a server on a free loopback port with an empty folder; it ends, and its data are deleted, with the block. */
export async function startS3(): Promise<S3Server & AsyncDisposable> {
  const data = await Deno.makeTempDir({ prefix: "bskyingest-s3-" });
  const port = freePort();
  const child = new Deno.Command(`${ROOT}/scripts/services.d/s3/start.sh`, {
    args: [S3_HOME, data, String(port)],
    // It must not outlive a test run that is killed.
    env: { ENDS_WITH_STDIN: "true" },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const server = s3ServerAt(`http://127.0.0.1:${port}`);
  const dispose = async () => {
    server.client.destroy();
    await child.stdin.close();
    await child.status;
    await Deno.remove(data, { recursive: true });
  };
  try {
    await healthy(`${server.url}/health`);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { ...server, [Symbol.asyncDispose]: dispose };
}

/** A server that runs already; disposed of, it has none of the buckets that were made here. */
export function s3ServerAt(url: string): S3Server & AsyncDisposable {
  const client = new S3Client({ endpoint: url, region: S3_REGION, forcePathStyle: true, credentials: S3_CREDENTIALS });
  const buckets: string[] = [];
  return {
    url,
    client,
    async bucket() {
      const bucket = `test-${crypto.randomUUID()}`;
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      buckets.push(bucket);
      return bucket;
    },
    async put(bucket, objects) {
      const rest = objects[Symbol.iterator]();
      const lane = async () => {
        for (const [Key, body] of { [Symbol.iterator]: () => rest }) {
          const Body = typeof body === "string" ? new TextEncoder().encode(body) : body;
          await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
        }
      };
      await Promise.all(Array.from({ length: 8 }, lane));
    },
    async remove(bucket, key) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
    async [Symbol.asyncDispose]() {
      for (const bucket of buckets) await deleteBucket(client, bucket);
      client.destroy();
    },
  };
}

async function deleteBucket(client: S3Client, Bucket: string): Promise<void> {
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket })) {
    await Promise.all(Contents.map(({ Key }) => client.send(new DeleteObjectCommand({ Bucket, Key }))));
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Waits until the server answers, up to half a minute. */
async function healthy(url: string): Promise<void> {
  for (const last = Date.now() + 30_000; Date.now() < last;) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("Cannot start the S3 server: it is not healthy after 30 s");
}
