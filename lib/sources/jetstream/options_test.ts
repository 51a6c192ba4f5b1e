import assert from "node:assert/strict";
import { withId } from "../../../tests/support/zstd_frames.ts";
import { V1_DICTIONARY_ID } from "../../net/zstd/ids.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { simulateDictionary } from "../../simulate/dictionary.ts";
import { type JetstreamOptions, makePlan } from "./options.ts";
import { buildUrl, DEFAULT_INSTANCES, type Wire } from "./url.ts";

/** The subscribe URL that options lead to on their first host. */
function urlOf(options: JetstreamOptions, wire?: Wire, position?: number): string {
  const { endpoints, filter, begin, maxMessageBytes } = makePlan(options);
  return buildUrl(endpoints[0]!, { wire: wire ?? "v1", filter, cursor: position ?? begin, maxMessageBytes });
}

/** The faults that options have. */
function faultsOf(options: JetstreamOptions): readonly string[] {
  try {
    makePlan(options);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.faults;
  }
}

const numbered = (n: number, text: (i: number) => string) => Array.from({ length: n }, (_, i) => text(i));
const v1 = { url: "ws://h/subscribe" };

Deno.test("J1: each wanted collection is a parameter of its own", () => {
  assert.equal(
    urlOf({ ...v1, collections: ["app.bsky.feed.post", "app.bsky.feed.like"] }),
    "ws://h/subscribe?wantedCollections=app.bsky.feed.post&wantedCollections=app.bsky.feed.like",
  );
});

Deno.test("J2: lists are trimmed, empties and repeats dropped", () => {
  const collections = [" a.b.c", " d.e.f", "", "a.b.c "];
  assert.equal(urlOf({ ...v1, collections }), "ws://h/subscribe?wantedCollections=a.b.c&wantedCollections=d.e.f");
});

Deno.test("J4: a start is sent as microseconds, also 0", () => {
  const start = (us: number) => new URL(urlOf({ ...v1, start: us })).searchParams.get("cursor");
  assert.equal(start(1681554645000000), "1681554645000000");
  assert.equal(start(0), "0");
});

Deno.test("a start before all sequence numbers' limit asks for the oldest, never for a sequence number", () => {
  const url = urlOf({ ...v1, start: 915148800000000 }); // 1999
  assert.equal(new URL(url).searchParams.get("cursor"), "0");
});

Deno.test("J6: limits of collections and DIDs count each once", () => {
  const nsids = numbered(101, (i) => `a.b.c${i}x`), dids = numbered(10_001, (i) => `did:plc:${i}`);
  assert.deepEqual(faultsOf({ ...v1, collections: nsids.slice(0, 100) }), []);
  assert.equal(faultsOf({ ...v1, collections: nsids }).length, 1);
  const repeated = [...nsids.slice(0, 100), nsids[0]!];
  assert.equal(new URL(urlOf({ ...v1, collections: repeated })).searchParams.getAll("wantedCollections").length, 100);
  assert.equal(new URL(urlOf({ ...v1, collections: repeated }, "v2")).searchParams.getAll("collections").length, 100);
  assert.deepEqual(faultsOf({ ...v1, dids: dids.slice(0, 10_000) }), []);
  assert.equal(faultsOf({ ...v1, dids }).length, 1);
  assert.deepEqual(faultsOf({ ...v1, dids: [...dids.slice(0, 10_000), dids[0]!] }), []);
});

Deno.test("J7: NSIDs and wildcards of whole segments", () => {
  const faults = (collection: string, options: JetstreamOptions = v1) =>
    faultsOf({ ...options, collections: [collection] });
  assert.deepEqual(faults("app.bsky.feed.*"), []);
  assert.match(faults("app.bsky.fo*")[0]!, /"app\.bsky\.fo\*": it must be an NSID/);
  assert.match(faults("*")[0]!, /"all" means every collection/);
  assert.deepEqual(faults("app.*"), []);
  assert.deepEqual(faults("app.*", { instances: ["h", "i"], wire: "v1" }), []);
  assert.match(faults("app.*", { ...v1, wire: "v2" })[0]!, /two segments/);
  assert.match(faults("app.*", { instances: ["h"] })[0]!, /two segments/, "which wire the host has is not known yet");
  assert.equal(urlOf({ ...v1, collections: ["all"] }), "ws://h/subscribe");
  assert.equal(faultsOf({ ...v1, collections: ["all", "a.b.c"] }).length, 1);
});

Deno.test("J8: the query of a URL, its unknown parameters and the position make one query", () => {
  const url = "ws://h/subscribe?wantedCollections=a.b.c&x=1";
  assert.equal(
    urlOf({ url }, "v1", 1704067200000000),
    "ws://h/subscribe?wantedCollections=a.b.c&cursor=1704067200000000&x=1",
  );
  assert.equal(
    urlOf({ url: "ws://h/subscribe?cursor=1704067200000001&wantedCollections=all" }),
    "ws://h/subscribe?cursor=1704067200000001",
  );
});

Deno.test("options win over the query of the URL", () => {
  const url = "ws://h/subscribe?wantedCollections=a.b.c&wantedDids=did:plc:a&maxMessageSizeBytes=5&cursor=0";
  assert.equal(
    urlOf({ url, collections: ["d.e.f"], dids: ["did:plc:b"], maxMessageBytes: 9, cursor: 1704067200000000 }),
    "ws://h/subscribe?wantedCollections=d.e.f&cursor=1704067200000000&wantedDids=did%3Aplc%3Ab&maxMessageSizeBytes=9",
  );
  assert.equal(faultsOf({ url: "ws://h/subscribe?cursor=-1" }).length, 1);
});

Deno.test("J9: contradictions", () => {
  assert.match(faultsOf({ ...v1, kinds: ["identity"], collections: ["app.bsky.feed.post"] })[0]!, /no commit/);
  assert.equal(urlOf({ ...v1, kinds: ["identity"] }), "ws://h/subscribe", "a default filter just falls away");
  assert.match(faultsOf({ cursor: 5, instances: ["a", "b"] })[0]!, /belongs to one host/);
  assert.deepEqual(faultsOf({ cursor: 5, instances: ["a"] }), []);
  assert.deepEqual(faultsOf({ cursor: 1704067200000000, instances: ["a", "b"] }), []);
  assert.equal(faultsOf({ ...v1, instances: ["a"] }).length, 1);
  assert.equal(faultsOf({ ...v1, cursor: 5, start: 1704067200000000 }).length, 1);
  assert.equal(faultsOf({ ...v1, start: 1704067200000000, end: 1704067200000000 }).length, 1);
});

Deno.test("a start may lie 60 s in the future, no more", () => {
  const now = () => 1704067200000;
  assert.deepEqual(faultsOf({ ...v1, now, start: 1704067260000000 }), []);
  assert.match(faultsOf({ ...v1, now, start: 1704067260000001 })[0]!, /in the future/);
});

Deno.test("all faults are reported together", () => {
  const options = {
    url: "http://h",
    collections: ["x y"],
    dids: ["me"],
    kinds: ["commit", "label"],
    cursor: -1,
    maxMessageBytes: 2 ** 32,
  };
  assert.equal(faultsOf(options).length, 6);
});

Deno.test("without a URL or instances the public servers are tried in turn, with either only what was named", () => {
  assert.deepEqual(makePlan({}).endpoints.map((e) => e.host), DEFAULT_INSTANCES);
  assert.deepEqual(makePlan({ instances: ["a", "ws://b:8080"] }).endpoints.map((e) => e.v1), [
    "wss://a/subscribe",
    "ws://b:8080/subscribe",
  ]);
  assert.equal(
    urlOf({}),
    "wss://jetstream2.us-east.bsky.network/subscribe?wantedCollections=app.bsky.feed.like",
  );
});

Deno.test("C2: compression is asked for by an option, or by the query of the URL", () => {
  const asked = (options: JetstreamOptions) => {
    const { compress, dictionaryId } = makePlan(options);
    return [compress, dictionaryId];
  };
  const v2 = "ws://h/xrpc/network.bsky.jetstream.subscribeEvents";
  assert.deepEqual(asked(v1), [false, undefined]);
  assert.deepEqual(asked({ ...v1, compress: true }), [true, undefined]);
  assert.deepEqual(asked({ url: "ws://h/subscribe?compress=true" }), [true, undefined]);
  assert.deepEqual(asked({ url: "ws://h/subscribe?compress=1" }), [false, undefined], "as servers read it");
  assert.deepEqual(asked({ url: `${v2}?zstdDictionary=7` }), [true, 7]);
  assert.deepEqual(asked({ url: `${v2}?zstdDictionary=7`, compress: false }), [false, 7], "an option wins");
  assert.match(faultsOf({ url: `${v2}?zstdDictionary=x` })[0]!, /zstdDictionary=x of the URL/);
});

Deno.test("C1: a dictionary must suit the wire of a host, as far as that is known", () => {
  const V1 = withId(simulateDictionary(), V1_DICTIONARY_ID, 4), other = withId(V1, 7, 4);
  const hosts = (...instances: string[]) => ({ instances });
  const newHost = "jetstream.us-west.bsky.network", legacyHost = "jetstream1.us-west.bsky.network";
  const dids = numbered(101, (i) => `did:plc:${i}`);
  const good: JetstreamOptions[] = [
    { ...v1, dictionary: V1 },
    { ...v1, dictionary: simulateDictionary() },
    { ...hosts(newHost), dictionary: other },
    { ...hosts(newHost), dictionary: simulateDictionary() },
    { ...hosts(newHost, legacyHost), dictionary: V1 },
    { ...hosts(newHost, legacyHost), dictionary: other },
    { ...hosts("unknown.example"), dictionary: other },
    { ...hosts(newHost, "unknown.example"), dictionary: V1 },
    { ...hosts(newHost), dids, dictionary: V1 },
    { dictionary: V1 },
  ];
  for (const options of good) assert.deepEqual(faultsOf(options), [], JSON.stringify(options.instances));
  const bad: [JetstreamOptions, RegExp][] = [
    [{ ...v1, dictionary: other }, /zstd dictionary 7: it does not suit the v1 wire/],
    [{ ...hosts(newHost), dictionary: V1 }, /zstd dictionary 1612007021: it does not suit the v2 wire/],
    [{ ...hosts("unknown.example"), wire: "v1", dictionary: other }, /suit the v1 wire/],
    [{ ...hosts(legacyHost), dictionary: other, compress: false }, /suit the v1 wire/],
    [{ ...v1, dictionary: new TextEncoder().encode("no dictionary at all") }, /it is none/],
  ];
  for (const [options, why] of bad) assert.match(faultsOf(options)[0]!, why);
});
