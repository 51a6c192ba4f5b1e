import assert from "node:assert/strict";
import { captureLog } from "../../../tests/support/log_records.ts";
import { S3_CREDENTIALS, S3_REGION, sharedS3 } from "../../../tests/support/s3.ts";
import { scriptedS3 } from "../../../tests/support/scripted_s3.ts";
import { serviceTest } from "../../../tests/support/services.ts";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { FileVanishedError } from "./files.ts";
import { megastreamName } from "./name.ts";
import { s3Store, type S3StoreOptions } from "./s3_store.ts";
import { testStore } from "../../../tests/support/s3_store.ts";

const s3 = sharedS3();
const signal = new AbortController().signal;
const START = Date.UTC(2026, 0, 1) * 1000;
const MINUTE = 60e6;
const HOUR_MS = 3_600_000;

const names = (files: readonly { readonly name: string }[]) => files.map(({ name }) => name);

serviceTest("M61: 1,500 keys over two pages, all of them, in time order", ["s3"], async () => {
  const bucket = await s3().bucket();
  const canonical = Array.from({ length: 1499 }, (_, i) => megastreamName(START + i * 5 * MINUTE));
  await s3().put(bucket, [...canonical.toReversed(), "a_late_name.db.zip"].map((name) => [`mega/${name}`, name]));
  await using proxy = await scriptedS3(() => ({}), s3().url);
  await using files = await testStore({ url: proxy.url, bucket, prefix: "mega/" });
  const listed = await files.list({ signal });
  assert.deepEqual(names(listed), [...canonical, "a_late_name.db.zip"], "the last one's time is when it was put there");
  assert.equal(proxy.requests.length, 2);
  assert.equal(proxy.requests[1]?.query.get("prefix"), "mega/");
  const { timeUs, size, etag, modifiedMs } = listed[7]!;
  assert.deepEqual([timeUs, size], [START + 35 * MINUTE, canonical[7]!.length]);
  assert.match(etag!, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(modifiedMs - Date.now()) < 60_000);
  assert.ok(Math.abs(listed.at(-1)!.timeUs / 1000 - Date.now()) < 60_000);
});

serviceTest("M62: a prefix, and folders below it only with recursive", ["s3"], async () => {
  const bucket = await s3().bucket();
  const [one, two, three, four] = [0, 1, 2, 3].map((i) => megastreamName(START + i * MINUTE));
  await s3().put(bucket, [
    [`mega/b/${one}`, "1"],
    [`mega/${two}`, "22"],
    [`mega/a/deep/${three}`, "333"],
    [four!, "4444"],
    [`megabytes/${one}`, "x"],
    [`mega/${four}.part`, "x"],
    [`mega/.${four}`, "x"],
    ["mega/.db.zip", "x"],
    [`mega/empty_${four}`, ""],
  ]);
  for (const prefix of ["mega/", "mega"]) {
    await using flat = await testStore({ url: s3().url, bucket, prefix });
    assert.equal(flat.place, `s3://${bucket}/mega/`);
    assert.deepEqual(names(await flat.list({ signal })), [two]);
    await using deep = await testStore({ url: s3().url, bucket, prefix, recursive: true });
    const listed = await deep.list({ signal });
    assert.deepEqual(names(listed), [`b/${one}`, two, `a/deep/${three}`]);
    await using file = await deep.fetch(listed[2]!, { signal });
    assert.equal(await Deno.readTextFile(file.path), "333");
  }
  await using top = await testStore({ url: s3().url, bucket });
  assert.equal(top.place, `s3://${bucket}/`);
  assert.deepEqual(names(await top.list({ signal })), [four]);
});

serviceTest("M66: only names from the bound on are asked for, and everything after an hour", ["s3"], async () => {
  const bucket = await s3().bucket();
  const at = (minute: number) => megastreamName(START + minute * MINUTE);
  await s3().put(bucket, [0, 5, 10].map((minute) => [`mega/${at(minute)}`, "x"]));
  await using proxy = await scriptedS3(() => ({}), s3().url);
  let now = 0;
  await using files = await testStore({ url: proxy.url, bucket, prefix: "mega", now: () => now });
  const poll = async (sinceUs?: number) => {
    const listed = await files.list({ sinceUs, signal });
    return [proxy.requests.at(-1)!.query.get("start-after"), names(listed)];
  };
  const all = [at(0), at(5), at(10)];
  assert.deepEqual(await poll(START + 5 * MINUTE), [null, all], "everything at first");
  const before = (us: number) => `mega/${megastreamName(us)}`;
  now = HOUR_MS - 1;
  assert.deepEqual(await poll(START + 5 * MINUTE), [before(START + 5 * MINUTE - 1e6), [at(5), at(10)]]);
  assert.deepEqual(await poll(START + 5 * MINUTE + 1), [before(START + 5 * MINUTE), [at(10)]]);
  assert.deepEqual(await poll(), [null, all], "without a bound");
  now += HOUR_MS - 1;
  assert.deepEqual((await poll(START + 10 * MINUTE))[1], [at(10)]);
  now += 1;
  await s3().put(bucket, [[`mega/${at(-5)}`, "late"]]);
  assert.deepEqual(await poll(START + 10 * MINUTE), [null, [at(-5), ...all]]);
  // A name without a time may be of any time.
  await s3().put(bucket, [["mega/what.db.zip", "x"]]);
  assert.deepEqual((await poll(START + 10 * MINUTE))[1], [at(10), "what.db.zip"]);
  assert.deepEqual(await poll(START + 10 * MINUTE), [null, [at(-5), ...all, "what.db.zip"]]);
});

serviceTest("folders that are descended into are always listed as a whole", ["s3"], async () => {
  const bucket = await s3().bucket();
  await s3().put(bucket, [[megastreamName(START), "x"]]);
  await using files = await testStore({ url: s3().url, bucket, recursive: true });
  for (let i = 0; i < 2; i++) assert.equal((await files.list({ sinceUs: START + MINUTE, signal })).length, 1);
});

serviceTest(
  "the time of a file whose name tells none is when it was changed, and the log says so",
  ["s3"],
  async () => {
    const bucket = await s3().bucket();
    await s3().put(bucket, [["mega_jetstream_20251399_256199.db.zip", "x"]]);
    await using log = await captureLog();
    await using files = await testStore({ url: s3().url, bucket });
    const [file] = await files.list({ signal });
    assert.equal(file!.timeUs, file!.modifiedMs * 1000);
    assert.match(log.lines.join("\n"), /debug: The name of mega_jetstream_20251399_256199\.db\.zip tells no time/);
  },
);

serviceTest(
  "M65: a wrong secret, an unknown key, a missing bucket: the service's code and words",
  ["s3"],
  async (t) => {
    const bucket = await s3().bucket();
    const cases: readonly [string, Partial<S3StoreOptions>, RegExp, RegExp?][] = [
      [
        "wrong secret",
        { credentials: { accessKeyId: "test", secretAccessKey: "no" } },
        /: SignatureDoesNotMatch: The /,
      ],
      ["unknown key", { credentials: { accessKeyId: "who", secretAccessKey: "no" } }, /: InvalidAccessKeyId: The AWS /],
      ["missing bucket", { bucket: `${bucket}x` }, /: NoSuchBucket: The specified bucket does not exist$/],
      [
        "wrong region",
        { region: "eu-west-1" },
        /: AuthorizationHeaderMalformed: /,
        /^The bucket is in us-east-1: set /,
      ],
    ];
    for (const [name, options, message, hint] of cases) {
      await t.step(name, async () => {
        await using files = await testStore({ url: s3().url, bucket, ...options });
        const refused = (error: unknown) => {
          assert.ok(error instanceof ConfigError);
          assert.match(error.message, message);
          assert.match(error.hint ?? "", hint ?? /^$/);
          return true;
        };
        await assert.rejects(files.list({ signal }), refused);
        const file = { name: "x.db.zip", timeUs: 0, size: 1, modifiedMs: 0 };
        await assert.rejects(files.fetch(file, { signal }), refused);
        assert.deepEqual(files.temporary(), []);
      });
    }
  },
);

Deno.test("without credentials, the message says which to give", async () => {
  const [nothing, empty] = [Deno.makeTempFileSync(), { AWS_EC2_METADATA_DISABLED: "true" }];
  // In a process of its own: what this one's environment has would be found.
  const code = `
    import { s3Store } from "${new URL("s3_store.ts", import.meta.url)}";
    const store = await s3Store({ bucket: "b", region: "us-east-1", requestPayer: true, recursive: false, temp: undefined });
    await store.list({ signal: new AbortController().signal }).catch((error) => console.log(error.name, error.message, error.hint));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    clearEnv: true,
    env: {
      ...empty,
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      AWS_CONFIG_FILE: nothing,
      AWS_SHARED_CREDENTIALS_FILE: nothing,
    },
    stderr: "null",
  }).output();
  Deno.removeSync(nothing);
  assert.equal(
    new TextDecoder().decode(stdout),
    "ConfigError Cannot list s3://b/: Could not load credentials from any providers " +
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE\n",
  );
});

serviceTest("M67, M68: the header for the requester, and the session token", ["s3"], async () => {
  const bucket = await s3().bucket();
  await s3().put(bucket, [[megastreamName(START), "x"]]);
  const page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
  await using server = await scriptedS3(({ query }) => ({ body: query.has("list-type") ? page : "x" }));
  const session = { ...S3_CREDENTIALS, sessionToken: "a-session" };
  for (const [requestPayer, header] of [[true, "requester"], [false, undefined]] as const) {
    await using files = await testStore({ url: server.url, bucket, requestPayer, credentials: session });
    assert.deepEqual(await files.list({ signal }), []);
    const file = { name: "x.db.zip", timeUs: 0, size: 1, modifiedMs: 0 };
    await using local = await files.fetch(file, { signal });
    assert.equal(await Deno.readTextFile(local.path), "x");
    for (const { headers } of server.requests.slice(-2)) {
      assert.equal(headers["x-amz-request-payer"], header);
      assert.equal(headers["x-amz-security-token"], "a-session");
      assert.match(headers.authorization!, /SignedHeaders=[^,]*x-amz-security-token/);
    }
    // It harms nobody where it is not asked for.
    await using real = await testStore({ url: s3().url, bucket, requestPayer });
    assert.equal((await real.list({ signal })).length, 1);
  }
});

Deno.test("M70: the bucket is in the path where an endpoint is given, or as it was said", async () => {
  const wanted: readonly [boolean | undefined, string][] = [
    [undefined, "s3.invalid"],
    [true, "s3.invalid"],
    [false, "my-bucket.s3.invalid"],
  ];
  for (const [pathStyle, host] of wanted) {
    const temp = { folder: "", make: () => assert.fail() };
    await using files = await s3Store({
      bucket: "my-bucket",
      region: S3_REGION,
      endpoint: "http://s3.invalid",
      pathStyle,
      requestPayer: true,
      credentials: S3_CREDENTIALS,
      recursive: false,
      temp,
    });
    await assert.rejects(files.list({ signal }), (error) => {
      assert.ok(error instanceof TransientError, "a name that cannot be found now may be found later");
      assert.match(error.message, new RegExp(`^Cannot list s3://my-bucket/: [^/]* ${host.replaceAll(".", "\\.")}$`));
      return true;
    });
  }
});

serviceTest("a file that is gone after the listing is told so", ["s3"], async () => {
  const bucket = await s3().bucket();
  await s3().put(bucket, [[megastreamName(START), "x"]]);
  await using files = await testStore({ url: s3().url, bucket });
  const [file] = await files.list({ signal });
  await s3().remove(bucket, file!.name);
  await assert.rejects(files.fetch(file!, { signal }), FileVanishedError);
  assert.deepEqual(files.temporary(), []);
});
