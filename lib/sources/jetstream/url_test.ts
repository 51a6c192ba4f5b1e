import assert from "node:assert/strict";
import type { Kind } from "../../atproto/event.ts";
import { buildUrl, dictionaryUrl, endpointOf, needsHello, optionsUpdate, type Request } from "./url.ts";

const filter = (kinds: Kind[], collections?: string[], dids?: string[]) => ({
  kinds: new Set(kinds),
  collections,
  dids,
});
const everything: Request = {
  wire: "v1",
  filter: filter(["commit", "identity"], ["a.b.c", "d.e.*"], ["did:web:x%3A1"]),
  cursor: 12,
  maxMessageBytes: 4096,
};

Deno.test("the order of the parameters, everything encoded", () => {
  const endpoint = endpointOf("ws://h:1/subscribe");
  assert.equal(
    buildUrl(endpoint, everything),
    "ws://h:1/subscribe?wantedCollections=a.b.c&wantedCollections=d.e.*&cursor=12&wantedDids=did%3Aweb%3Ax%253A1&maxMessageSizeBytes=4096",
  );
  assert.equal(
    buildUrl(endpoint, { ...everything, wire: "v2" }),
    "ws://h:1/xrpc/network.bsky.jetstream.subscribeEvents?kinds=commit&kinds=identity&collections=a.b.c&collections=d.e.*&cursor=12" +
      "&dids=did%3Aweb%3Ax%253A1&maxMessageSizeBytes=4096",
  );
});

Deno.test("what is absent is left out, a cursor of 0 is sent", () => {
  const all = filter(["commit", "identity", "account", "sync"]);
  const request: Request = { wire: "v2", filter: all, cursor: 0, maxMessageBytes: 0 };
  assert.equal(buildUrl(endpointOf("h"), request), "wss://h/xrpc/network.bsky.jetstream.subscribeEvents?cursor=0");
  assert.equal(buildUrl(endpointOf("h"), { ...request, wire: "v1", cursor: undefined }), "wss://h/subscribe");
});

Deno.test("v2 is not asked to filter by collections when commits are not wanted", () => {
  const url = buildUrl(endpointOf("h"), { ...everything, wire: "v2", filter: filter(["identity"], ["a.b.c"]) });
  assert.ok(!url.includes("collections"), url);
});

Deno.test("more than 100 DIDs go into a message on v1, into the URL on v2", () => {
  const dids = Array.from({ length: 101 }, (_, i) => `did:plc:${i}`);
  const request = { ...everything, filter: filter(["commit"], ["a.b.c"], dids) };
  assert.ok(!needsHello({ ...request, filter: filter(["commit"], ["a.b.c"], dids.slice(1)) }));
  assert.ok(needsHello(request));
  assert.equal(
    buildUrl(endpointOf("h"), request),
    "wss://h/subscribe?cursor=12&maxMessageSizeBytes=4096&requireHello=true",
  );
  assert.deepEqual(JSON.parse(optionsUpdate(request)), {
    type: "options_update",
    payload: { wantedCollections: ["a.b.c"], wantedDids: dids, maxMessageSizeBytes: 4096 },
  });
  const v2 = { ...request, wire: "v2" } as const;
  assert.ok(!needsHello(v2));
  assert.equal(new URL(buildUrl(endpointOf("h"), v2)).searchParams.getAll("dids").length, 101);
});

Deno.test("J19: compression has its place in the query of either wire", () => {
  const request = { ...everything, zstdDictionary: 7 };
  const v1 = new URL(buildUrl(endpointOf("h"), request));
  const v2 = new URL(buildUrl(endpointOf("h"), { ...request, wire: "v2" }));
  assert.match(v1.search, /&maxMessageSizeBytes=4096&compress=true$/);
  assert.match(v2.search, /&maxMessageSizeBytes=4096&zstdDictionary=7$/);
  const dids = Array.from({ length: 101 }, (_, i) => `did:plc:${i}`);
  const hello = { ...request, filter: filter(["commit"], ["a.b.c"], dids), maxMessageBytes: 0 };
  assert.equal(new URL(buildUrl(endpointOf("h"), hello)).search, "?cursor=12&compress=true&requireHello=true");
});

Deno.test("C5: where a server hands out dictionaries", () => {
  const method = "xrpc/network.bsky.jetstream.getZstdDictionary";
  assert.equal(
    dictionaryUrl(endpointOf("jetstream.us-west.bsky.network"), 7),
    `https://jetstream.us-west.bsky.network/${method}?id=7`,
  );
  assert.equal(dictionaryUrl(endpointOf("ws://h:99/jet/subscribe?x=1")), `http://h:99/jet/${method}`);
  assert.equal(dictionaryUrl(endpointOf("ws://h/odd/path")), `http://h/${method}`);
});

Deno.test("C3: what tells the wire", () => {
  const wire = (text: string) => endpointOf(text).wire;
  assert.equal(wire("ws://h/subscribe"), "v1");
  assert.equal(wire("ws://h/prefix/subscribe/"), "v1");
  assert.equal(wire("ws://h/xrpc/network.bsky.jetstream.subscribeEvents"), "v2");
  assert.equal(wire("jetstream.us-west.bsky.network"), "v2");
  assert.equal(wire("wss://jetstream2.us-east.bsky.network"), "v1");
  assert.equal(wire("h:8080"), undefined);
});

Deno.test("an endpoint keeps prefix, credentials and unknown parameters", () => {
  const e = endpointOf("wss://me:pw@h:99/jet/subscribe?x=1&wantedDids=did:plc:a&x=2&compress=true&zstdDictionary=7");
  assert.equal(e.host, "h:99");
  assert.equal(e.v1, "wss://me:pw@h:99/jet/subscribe");
  assert.equal(e.v2, "wss://me:pw@h:99/jet/xrpc/network.bsky.jetstream.subscribeEvents");
  assert.deepEqual(e.extra, [["x", "1"], ["x", "2"]]);
  assert.equal(endpointOf("h", "simulate").host, "simulate");
  assert.throws(() => endpointOf("http://h"), TypeError);
  assert.throws(() => endpointOf("not a host"), TypeError);
});
