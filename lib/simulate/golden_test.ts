import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { realTest } from "../../tests/support/real_data.ts";
import { SIMULATE_DICTIONARY_ID } from "./dictionary.ts";
import { loadEventLines } from "./events.ts";
import { type SimulateServer, startSimulate } from "./server.ts";
import { DICTIONARY_PATH, V2_PATH } from "./subscription.ts";
import { decodeFrames, receive, receiveFrames } from "./test_client.ts";

const lines = (path: string) => Deno.readTextFileSync(path).trimEnd().split("\n");

realTest("T4: E on a legacy server comes back byte for byte", ["expected_v1.jsonl"], async ([path]) => {
  const events = loadEventLines(Deno.readTextFileSync(path!));
  await using server = await startSimulate({ kind: "legacy", events });
  assert.deepEqual(await receive(server.jetstream, 152), lines(path!));
});

realTest("T4: G1 on a new server comes back byte for byte", ["golden_v2server_v1wire.jsonl"], async ([path]) => {
  await using server = await startSimulate({ events: loadEventLines(Deno.readTextFileSync(path!)) });
  assert.deepEqual(await receive(server.jetstream, 152), lines(path!));
  assert.deepEqual(await receive(`${server.jetstream}?cursor=150`, 3), lines(path!).slice(149));
});

const both = ["golden_v2server_v1wire.jsonl", "golden_v2.jsonl"];
realTest("T4: G1 served on v2 deep-equals G2, and G2 served on v1 G1", both, async ([g1, g2]) => {
  const parse = (texts: string[]) => texts.map((text) => JSON.parse(text));
  await using fromG1 = await startSimulate({ events: loadEventLines(Deno.readTextFileSync(g1!)) });
  assert.deepEqual(parse(await receive(fromG1.jetstreamV2, 152)), parse(lines(g2!)));
  await using fromG2 = await startSimulate({ events: loadEventLines(Deno.readTextFileSync(g2!)) });
  assert.deepEqual(await receive(fromG2.jetstreamV2, 152), lines(g2!));
  assert.deepEqual(parse(await receive(fromG2.jetstream, 152)), parse(lines(g1!)));
});

realTest("J15: E by v1 with collections", ["expected_v1.jsonl"], async ([path]) => {
  const events = loadEventLines(Deno.readTextFileSync(path!));
  await using server = await startSimulate({ kind: "legacy", events });
  const expected = [["app.bsky.feed.post", 20], ["app.bsky.graph.*", 12], ["app.bsky.*", 151]] as const;
  for (const [collection, count] of expected) {
    // One more than there are would never come: the connection ends after what is expected.
    await using again = await startSimulate({ kind: "legacy", events, closeAfter: count, closeCode: 1000 });
    const got = await receive(`${again.jetstream}?wantedCollections=${collection}`, 153);
    assert.equal(got.length, count);
    assert.equal(JSON.parse(got.at(-1)!).kind, "account"); // the last line of E
  }
  assert.equal((await receive(server.jetstream, 1)).length, 1);
});

const errors = ["golden_v2_errors.md", "subscribe_events_20260811.zdict"];
const row = /^\| `?([^|`\n]+)`? \| (\d{3}) [^|\n]* \| ([a-z/-]+)[^|]*\| `(.*)` \|$/gm;

realTest(
  "T4: each subscribe request of the golden errors gets the same status, type and body",
  errors,
  async ([path, zdict]) => {
    const dictionary = Deno.readFileSync(zdict!);
    await using ready = await startSimulate({ count: 1, dictionary });
    await using starting = await startSimulate({ count: 1, refuse: 503 });
    await using own = await startSimulate({ count: 1 });
    let checked = 0;
    for (const [, request = "", status, type, body = ""] of Deno.readTextFileSync(path!).matchAll(row)) {
      const server = request.startsWith("while bootstrapping: ") ? starting : ready;
      const target = request.replace("while bootstrapping: ", "").replace(/^subscribeEvents/, V2_PATH)
        .replace(/^getZstdDictionary\?/, `${DICTIONARY_PATH}?`);
      if (!target.startsWith("/")) continue;
      assert.deepEqual(await answerOf(server.url + target), [Number(status), type, body], target);
      checked++;
      if (server === starting) continue;
      const ownBody = body.replaceAll(/(?<=current dictionary id is )20260811/g, String(SIMULATE_DICTIONARY_ID));
      assert.deepEqual(await answerOf(own.url + target), [Number(status), type, ownBody], target);
    }
    assert.equal(checked, 29);
  },
);

async function answerOf(url: string): Promise<unknown[]> {
  const response = await fetch(url);
  return [response.status, response.headers.get("content-type"), await response.text()];
}

realTest("T4: getZstdDictionary answers as the golden server does", errors, async ([path, zdict]) => {
  const [, request, status, type, body] = [...Deno.readTextFileSync(path!).matchAll(row)].find((r) =>
    r[1] === "getZstdDictionary"
  )!;
  await using server = await startSimulate({ count: 1, dictionary: Deno.readFileSync(zdict!) });
  const response = await fetch(`${server.url}${DICTIONARY_PATH}`);
  const { headers } = response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const described = `(65,536 bytes, sha256 ${createHash("sha256").update(bytes).digest("hex")}; ` +
    `ETag ${headers.get("etag")}, X-Zstd-Dictionary-Id: ${headers.get("x-zstd-dictionary-id")}, ` +
    `Cache-Control: ${headers.get("cache-control")})`;
  assert.deepEqual([request, response.status, headers.get("content-type"), described, bytes.length], [
    "getZstdDictionary",
    Number(status),
    type,
    body,
    65_536,
  ]);
});

const compressed = [
  "golden_v2.jsonl",
  "subscribe_events_20260811.zdict",
  "golden_v2server_v1wire.jsonl",
  "legacy_subscribe.zdict",
];
realTest("A6: the real dictionaries, each on its wire", compressed, async ([g2, v2Dictionary, g1, v1Dictionary]) => {
  const served = async (events: string, zdict: string, url: (server: SimulateServer) => string) => {
    const dictionary = Deno.readFileSync(zdict);
    await using server = await startSimulate({ events: loadEventLines(Deno.readTextFileSync(events)), dictionary });
    assert.deepEqual(await decodeFrames(await receiveFrames(url(server), 152), dictionary), lines(events));
  };
  await served(g2!, v2Dictionary!, (server) => `${server.jetstreamV2}?zstdDictionary=20260811`);
  await served(g1!, v1Dictionary!, (server) => `${server.jetstream}?compress=true`);
});
