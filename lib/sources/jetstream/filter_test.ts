import assert from "node:assert/strict";
import { realTest } from "../../../tests/support/real_data.ts";
import { type AtEvent, type Kind, KINDS } from "../../atproto/event.ts";
import { isBusy, matcher } from "./filter.ts";
import { parseV1 } from "./parse.ts";

const filter = (collections?: string[], kinds?: readonly Kind[], dids?: string[]) => ({
  kinds: new Set(kinds ?? KINDS),
  collections,
  dids,
});

realTest("J15: real events through each filter", ["expected_v1.jsonl"], async ([path]) => {
  const lines = (await Deno.readTextFile(path!)).trim().split("\n");
  const events = lines.map((line) => parseV1(line, { source: "jetstream", wire: "v1", host: "h" }) as AtEvent);
  const count = (...of: Parameters<typeof filter>) => events.filter(matcher(filter(...of))).length;
  assert.equal(count(["app.bsky.feed.post"]), 20);
  assert.equal(count(["app.bsky.graph.*"]), 12);
  assert.equal(count(["app.bsky.*"]), 151);
  assert.equal(count(["app.bsky.feed.post"], ["commit"]), 18);
  assert.equal(count(undefined), 152);
  assert.equal(count(undefined, ["identity"]), 1);
  const { did } = events[0]!;
  assert.equal(count(undefined, KINDS, [did]), events.filter((e) => e.did === did).length);
  assert.equal(count(undefined, KINDS, ["did:plc:nobody"]), 0);
});

Deno.test("a wildcard keeps its last dot", () => {
  const matches = matcher(filter(["app.bsky.feed.*", "a.b.c"]));
  const of = (collection: string) =>
    matches({ kind: "commit", did: "d", commit: { collection } } as unknown as AtEvent);
  assert.deepEqual(
    ["app.bsky.feed.post", "app.bsky.feed.x.y", "app.bsky.feedx.y", "app.bsky.feed", "a.b.c", "a.b.C"].map(of),
    [true, true, false, false, true, false],
  );
});

Deno.test("a stream is busy where everybody's identity or account events come", () => {
  assert.ok(isBusy(filter(["a.b.c"], ["commit"]), "v1"), "v1 cannot leave them out");
  assert.ok(!isBusy(filter(["a.b.c"], ["commit"]), "v2"));
  assert.ok(isBusy(filter(["a.b.c"], ["commit", "account"]), "v2"));
  assert.ok(!isBusy(filter(undefined, KINDS, ["did:plc:a"]), "v1"));
});
