import assert from "node:assert/strict";
import { realTest } from "../../tests/support/real_data.ts";
import { loadEventLines } from "./events.ts";
import { startSimulate } from "./server.ts";
import { V2_PATH } from "./subscription.ts";
import { receive } from "./test_client.ts";

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

realTest("T4: each subscribe request of the golden errors gets the same status, type and body", [
  "golden_v2_errors.md",
], async ([path]) => {
  await using ready = await startSimulate({ count: 1 });
  await using starting = await startSimulate({ count: 1, refuse: 503 });
  let checked = 0;
  const row = /^\| `?([^|`\n]+)`? \| (\d{3}) [^|\n]* \| ([a-z/-]+)[^|]*\| `(.*)` \|$/gm;
  for (const [, request = "", status, type, body] of Deno.readTextFileSync(path!).matchAll(row)) {
    const server = request.startsWith("while bootstrapping: ") ? starting : ready;
    const target = request.replace("while bootstrapping: ", "").replace(/^subscribeEvents/, V2_PATH);
    if (!target.startsWith("/")) continue;
    const response = await fetch(server.url + target);
    const answer = [response.status, response.headers.get("content-type"), await response.text()];
    assert.deepEqual(answer, [Number(status), type, body], target);
    checked++;
  }
  assert.equal(checked, 28);
});
