import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { captureLog } from "../../../tests/support/log_records.ts";
import { sharedS3 } from "../../../tests/support/s3.ts";
import { type S3Answer, s3Failure, type S3Request, scriptedS3 } from "../../../tests/support/scripted_s3.ts";
import { serviceTest } from "../../../tests/support/services.ts";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { BadFileError, type ListedFile } from "./files.ts";
import type { S3StoreOptions } from "./s3_store.ts";
import { testStore } from "../../../tests/support/s3_store.ts";

const s3 = sharedS3();
const KEY = "mega_jetstream_20260101_000000.db.zip";
const FILE: ListedFile = { name: KEY, timeUs: 0, size: 1, modifiedMs: 0 };
const SIZE = 1_000_000;

/** Bytes of which no two parts are alike. */
function bytesOf(first: number, size = SIZE): Uint8Array {
  return new Uint8Array(new Uint32Array(size / 4).map((_, i) => Math.imul(i + first, 0x9e3779b1)).buffer);
}

interface Outcome {
  readonly bytes: Uint8Array;
  readonly requests: readonly S3Request[];
}

/** Fetches the file from a scripted server, or through it from the real one, and shows what was asked for. */
async function fetchThrough(
  script: (request: S3Request, count: number) => S3Answer | Promise<S3Answer>,
  { behind, ...options }: Partial<S3StoreOptions> & { readonly behind?: string } = {},
): Promise<Outcome> {
  await using server = await scriptedS3(script, behind);
  await using store = await testStore({ url: server.url, bucket: "bucket", ...options });
  try {
    await using local = await store.fetch(FILE, { signal: new AbortController().signal });
    return { bytes: await Deno.readFile(local.path), requests: [...server.requests] };
  } finally {
    assert.deepEqual(store.temporary(), [], "nothing is left");
  }
}

/** From which byte on it was asked for, request by request; 0: all. */
const starts = ({ requests }: Outcome) => requests.map(({ headers }) => startOf(headers.range));

function startOf(range: string | undefined): number {
  if (range === undefined) return 0;
  const [, from] = /^bytes=([1-9]\d*)-$/.exec(range)!;
  return Number(from);
}

/** Of what came just before a cut, some may be lost: as much as was on its way to the reader. */
function assertNear(start: number | undefined, cut: number): void {
  assert.ok(start! > cut - 200_000 && start! <= cut, `${start} is just before ${cut}`);
}

serviceTest(
  "M63: a body that is cut at half goes on there, and the checksum is that of the whole",
  ["s3"],
  async () => {
    const bucket = await s3().bucket();
    const bytes = bytesOf(1);
    await s3().put(bucket, [[KEY, bytes]]);
    await using log = await captureLog();
    const script = (_: S3Request, count: number) => count < 2 ? { cutAfter: SIZE * 0.3 } : {};
    const got = await fetchThrough(script, { bucket, behind: s3().url });
    assert.deepEqual(got.bytes, bytes);
    const [first, second, third, ...more] = starts(got);
    assert.deepEqual([first, more], [0, []]);
    assertNear(second, SIZE * 0.3);
    assertNear(third, second! + SIZE * 0.3);
    const matches = got.requests.map(({ headers }) => headers["if-match"]);
    assert.deepEqual(matches, [undefined, `"${md5(bytes)}"`, `"${md5(bytes)}"`]);
    assert.match(log.lines[0]!, /^warning: Downloading s3:\/\/\S+ again from byte \d{6} on: /);
  },
);

serviceTest("M64: an object that is replaced during the download is started over", ["s3"], async () => {
  const bucket = await s3().bucket();
  const [before, after] = [bytesOf(1), bytesOf(2).subarray(0, SIZE - 1000)];
  await s3().put(bucket, [[KEY, before]]);
  const got = await fetchThrough(async (_, count) => {
    if (count === 1) await s3().put(bucket, [[KEY, after]]);
    return count === 0 ? { cutAfter: SIZE / 2 } : {};
  }, { bucket, behind: s3().url });
  assert.deepEqual(got.bytes, after);
  const [first, second, third] = starts(got);
  assert.deepEqual([first, third, got.requests.length], [0, 0, 3]);
  assertNear(second, SIZE / 2);
});

serviceTest("a body that falls silent is resumed", ["s3"], async () => {
  const bucket = await s3().bucket();
  const bytes = bytesOf(3);
  await s3().put(bucket, [[KEY, bytes]]);
  await using log = await captureLog();
  const script = (_: S3Request, count: number) => count === 0 ? { stallAfter: SIZE / 2 } : {};
  const got = await fetchThrough(script, { bucket, behind: s3().url, silenceMs: 200 });
  assert.deepEqual(got.bytes, bytes);
  assert.deepEqual(starts(got), [0, SIZE / 2]);
  assert.match(log.lines[0]!, /nothing came for 0\.2 s$/);
});

Deno.test("a server that knows no ranges, or no If-Match, sends all of it again", async (t) => {
  const bytes = bytesOf(4);
  const cut = (count: number) => count === 0 ? { cutAfter: SIZE / 2 } : {};
  await t.step("no ranges", async () => {
    const got = await fetchThrough((_, count) => ({ body: bytes, ...cut(count) }));
    assert.deepEqual(got.bytes, bytes);
    assert.equal(got.requests.length, 2);
    assertNear(starts(got)[1], SIZE / 2);
  });
  await t.step("the rest of another version", async () => {
    const got = await fetchThrough(({ headers: { range } }, count): S3Answer => {
      const etag = `"${count}"`;
      if (range === undefined) return { body: bytes, headers: { etag }, ...cut(count) };
      const from = startOf(range);
      const headers = { etag, "content-range": `bytes ${from}-${SIZE - 1}/${SIZE}` };
      return { status: 206, body: bytesOf(5).subarray(from), headers };
    });
    assert.deepEqual(got.bytes, bytes);
    const [first, second, third] = starts(got);
    assert.deepEqual([first, third, got.requests.length], [0, 0, 3]);
    assertNear(second, SIZE / 2);
  });
});

const DIGITS = "123456789";
const CHECKSUMS = [
  ["crc32", "y/Q5Jg=="],
  ["crc32c", "4waSgw=="],
  ["crc64nvme", "rosUhgp5mIg="],
  ["sha1", createHash("sha1").update(DIGITS).digest("base64")],
  ["sha256", createHash("sha256").update(DIGITS).digest("base64")],
] as const;

Deno.test("every checksum that the service may send is verified, and asked for", async (t) => {
  for (const [name, right] of CHECKSUMS) {
    await t.step(name, async () => {
      const answer = (sum: string): S3Answer => ({ body: DIGITS, headers: { [`x-amz-checksum-${name}`]: sum } });
      const got = await fetchThrough((_, count) => answer(count === 0 ? right.replace(/^./, "x") : right));
      assert.equal(new TextDecoder().decode(got.bytes), DIGITS);
      assert.equal(got.requests.length, 2, "the first one was damaged");
      assert.deepEqual(got.requests.map(({ headers }) => headers["x-amz-checksum-mode"]), ["ENABLED", "ENABLED"]);
    });
  }
});

Deno.test("the checksum of the parts of an upload is not one of the whole", async () => {
  for (const headers of [{ "x-amz-checksum-crc32": "AAAAAA==-2" }, compositeOf("AAAAAA==")]) {
    const got = await fetchThrough(() => ({ body: DIGITS, headers }));
    assert.equal(got.requests.length, 1);
  }
});

function compositeOf(sum: string): Record<string, string> {
  return { "x-amz-checksum-crc32": sum, "x-amz-checksum-type": "COMPOSITE" };
}

Deno.test("an object that is damaged whenever it comes is a bad file", async () => {
  let asked = 0;
  const script = () => {
    asked++;
    return { body: DIGITS, headers: { "x-amz-checksum-crc32": "AAAAAA==" } };
  };
  await assert.rejects(fetchThrough(script), (error) => {
    assert.ok(error instanceof BadFileError);
    assert.equal(error.message, "bad_crc: CRC32 is y/Q5Jg==, the service says AAAAAA==");
    return true;
  });
  assert.equal(asked, 3);
});

Deno.test("an archived object is a bad file", async () => {
  const answer = s3Failure(403, "InvalidObjectState", "<StorageClass>GLACIER</StorageClass>");
  await assert.rejects(fetchThrough(() => answer), (error) => {
    assert.ok(error instanceof BadFileError);
    assert.equal(error.message, "archived: it must be restored first, its storage class is GLACIER");
    return true;
  });
});

Deno.test("what may pass is tried again, as late as the service asks", async () => {
  const failures = [
    s3Failure(503, "SlowDown", "", { "retry-after": "7" }),
    s3Failure(500, "InternalError"),
    s3Failure(429, "TooManyRequests"),
    s3Failure(400, "RequestTimeout"),
    { status: 502, body: "<html>" },
    { body: DIGITS, cutAfter: 0 },
  ];
  const waits: unknown[] = [];
  const backoff = (attempt: number, error: unknown) => {
    waits.push([attempt, (error as TransientError).retryAfterMs]);
    return 0;
  };
  const got = await fetchThrough((_, count) => failures[count] ?? { body: DIGITS }, { backoff });
  assert.equal(new TextDecoder().decode(got.bytes), DIGITS);
  assert.deepEqual(waits, [[1, 7000], [2, undefined], [3, undefined], [4, undefined], [5, undefined], [6, undefined]]);
});

Deno.test("a download that does not get on is given up", async () => {
  let asked = 0;
  const script = () => {
    asked++;
    return s3Failure(503, "SlowDown");
  };
  await assert.rejects(fetchThrough(script), (error) => {
    assert.ok(error instanceof TransientError);
    assert.equal(error.message, `Cannot download s3://bucket/${KEY}: SlowDown: Scripted`);
    return true;
  });
  assert.equal(asked, 8);
});

Deno.test("a download that gets on is never given up", async () => {
  const [size, each] = [4 * SIZE, 300_000];
  const bytes = bytesOf(6, size);
  const got = await fetchThrough(({ headers: { range } }): S3Answer => {
    const from = startOf(range);
    const part = { "content-range": `bytes ${from}-${size - 1}/${size}` };
    const answer = from === 0 ? {} : { status: 206, headers: part };
    return { ...answer, body: bytes.subarray(from), cutAfter: each };
  });
  assert.deepEqual(got.bytes, bytes);
  assert.ok(got.requests.length >= size / each, "more often than a download that does not get on is tried");
});

Deno.test("a download that is stopped leaves nothing", async () => {
  const stop = new AbortController();
  await using server = await scriptedS3(() => ({ body: DIGITS, stallAfter: 3 }));
  await using store = await testStore({ url: server.url, bucket: "bucket" });
  const fetched = store.fetch(FILE, { signal: stop.signal });
  while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort(new Error("Stopped"));
  await assert.rejects(fetched, /^Error: Stopped$/);
  assert.deepEqual(store.temporary(), []);
});

Deno.test("a listing that fails says what the user can do, or may work later", async (t) => {
  const page = (more: string) => ({ body: `<ListBucketResult>${more}</ListBucketResult>` });
  const elsewhere = { "x-amz-bucket-region": "eu-west-1" };
  const cases: readonly [string, S3Answer, typeof ConfigError | typeof TransientError, RegExp, string?][] = [
    ["SlowDown", s3Failure(503, "SlowDown"), TransientError, /: SlowDown: Scripted$/],
    ["no words", { status: 403 }, ConfigError, /^Cannot list s3:\/\/bucket\/: status 403$/],
    ["expired", s3Failure(400, "ExpiredToken"), ConfigError, /: ExpiredToken: Scripted$/],
    [
      "elsewhere",
      s3Failure(301, "PermanentRedirect", "", elsewhere),
      ConfigError,
      /: PermanentRedirect: /,
      "eu-west-1",
    ],
    ["another page", { body: "<html>Sign in" }, TransientError, /^Cannot list s3:\/\/bucket\/: /],
    ["silence", { ...page(" ".repeat(99)), stallAfter: 9 }, TransientError, /: nothing came for 0\.2 s$/],
  ];
  for (const [name, answer, type, message, region] of cases) {
    await t.step(name, async () => {
      await using server = await scriptedS3(() => answer);
      await using store = await testStore({ url: server.url, bucket: "bucket", silenceMs: 200 });
      await assert.rejects(store.list({ signal: new AbortController().signal }), (error) => {
        assert.ok(error instanceof type, String(error));
        assert.match(error.message, message);
        const hint = region && `The bucket is in ${region}: set --aws-region ${region}`;
        if (error instanceof ConfigError) assert.equal(error.hint, hint);
        return true;
      });
    });
  }
});

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
