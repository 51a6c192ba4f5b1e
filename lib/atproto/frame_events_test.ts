import { deepEqual, equal, ok } from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { PoisonError } from "../pipeline/errors.ts";
import { type AtEvent, type CommitEvent, KINDS } from "./event.ts";
import { type FrameEvents, frameEvents, type FrameEventsOptions } from "./frame_events.ts";
import { decodeRepoMessage, type NumberedMessage } from "./repo_message.ts";
import { carOf, cidOf, commitBody, DID, encode, Raw, REV, type TestOp, TIME } from "./test_frames.ts";

const origin = Object.freeze({ source: "firehose", wire: "relay", host: "relay.test" });
const NOW = 1_800_000_000_000;
const TIME_US = 1_783_175_887_517_000;

type Options = Omit<Partial<FrameEventsOptions>, "filter"> & {
  readonly filter?: Partial<FrameEventsOptions["filter"]>;
};

function events(type: string, body: unknown, { filter, ...options }: Options = {}): FrameEvents {
  const message = decodeRepoMessage(type, encode(body)) as NumberedMessage;
  const kinds = new Set(["commit", "identity", "account"] as const);
  return frameEvents(message, { origin, verify: "blocks", now: () => NOW, ...options, filter: { kinds, ...filter } });
}

/** The events of a commit with these operations. */
const commit = (ops: readonly TestOp[], change: Record<string, unknown> = {}, options: Options = {}) =>
  events("#commit", commitBody(ops, change), options);

const bodies = (all: readonly AtEvent[]) => all.map((event) => (event as CommitEvent).commit);
const codes = ({ rejected }: FrameEvents) => rejected.map(({ reason }) => reason);

/** The code for which the whole message is refused. */
function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
  return "none";
}

const record = { $type: "app.bsky.feed.post", text: "x" };

Deno.test("F14: a commit of three creates gives three events of one seq, commit and rev, in order", () => {
  const texts = ["c", "a", "b"].map((text) => ({ text }));
  const body = commitBody(texts.map((record) => ({ record })));
  const { events: made, ...rest } = events("#commit", body);
  deepEqual(rest, { filtered: 0, rejected: [], badTime: false });
  deepEqual(
    made.map((event) => ({ ...event, commit: (event as CommitEvent).commit.record })),
    texts.map((record) => ({
      did: DID,
      time_us: TIME_US,
      seq: 7,
      kind: "commit",
      commit: record,
      origin,
      relay: { time: TIME, commit: String(body.commit) },
    })),
  );
  deepEqual(Object.entries(bodies(made)[1]!), [
    ["rev", REV],
    ["operation", "create"],
    ["collection", "app.bsky.feed.post"],
    ["rkey", "1"],
    ["record", { text: "a" }],
    ["cid", cidOf(encode({ text: "a" })).toString()],
  ]);
});

Deno.test("F15: a delete has neither cid nor record, an update its new cid, no operations no event", () => {
  const { events: made } = commit([{ action: "delete", cid: null }, { action: "update", record }]);
  deepEqual(bodies(made), [
    { rev: REV, operation: "delete", collection: "app.bsky.feed.post", rkey: "0" },
    {
      rev: REV,
      operation: "update",
      collection: "app.bsky.feed.post",
      rkey: "1",
      record,
      cid: cidOf(encode(record)).toString(),
    },
  ]);
  deepEqual(commit([]), { events: [], filtered: 0, rejected: [], badTime: false });
});

Deno.test("F16: a create without its block is rejected, its siblings are delivered", () => {
  for (const verify of ["none", "blocks"] as const) {
    const result = commit([{ record: { n: 1 } }, { record: { n: 2 }, lost: true }, { action: "delete" }], {}, {
      verify,
    });
    deepEqual(codes(result), ["op-block"]);
    deepEqual(bodies(result.events).map(({ rkey }) => rkey), ["0", "2"]);
    deepEqual(result.rejected[0]!.detail, {
      did: DID,
      rev: REV,
      seq: 7,
      op: 1,
      action: "create",
      path: "app.bsky.feed.post/1",
    });
    const empty = commit([{ record }, { action: "delete" }], { blocks: new Uint8Array() }, { verify });
    deepEqual([codes(empty), bodies(empty.events).map(({ operation }) => operation)], [["op-block"], ["delete"]]);
  }
});

Deno.test("F17: tooBig, rebase and blobs change nothing; a time that is none is the clock's", () => {
  const body = { tooBig: true, rebase: true, blobs: [cidOf(encode(1))] };
  equal(commit([{ record }], body).events.length, 1);
  const { events: [event], badTime } = commit([{ record }], { time: "x" });
  deepEqual([event?.time_us, event?.relay?.time, badTime], [NOW * 1000, "x", true]);
  const times = ["2026-07-04T14:38:07.517123456Z", "2026-07-04T16:38:07.517+02:00"].map((time) => {
    const { events: [event], badTime } = commit([{ record }], { time });
    return [event?.time_us, badTime];
  });
  deepEqual(times, [[TIME_US + 123, false], [TIME_US, false]]);
});

Deno.test("F19, F20, F21: an operation whose record is refused is rejected, its siblings are delivered", () => {
  for (const hex of ["1b0020000000000000", "63eda080", "f97e00", "a2616101616102", "bf616100ff", "1817", "d82b4100"]) {
    const result = commit([{ record: { x: new Raw(hex) } }, { record }]);
    deepEqual([codes(result), bodies(result.events).map(({ rkey }) => rkey)], [["op-record"], ["1"]], hex);
  }
  const large = commit([{ record: { x: "x".repeat(1_000_000) } }, { record: [1] }, {
    record: new Raw("a26162016161f7"),
  }]);
  deepEqual(codes(large), ["op-size", "op-record"]);
  deepEqual(bodies(large.events)[0]!.record, { b: 1, a: null });
});

Deno.test("F22: operations with bad paths, actions and CIDs are rejected, their siblings are delivered", () => {
  const paths = ["app.bsky.feed.post", "a/b/c", "nodots/x", "app.bsky.feed.post/..", 5, new Raw("f6")];
  const result = commit([...paths.map((path) => ({ path, record })), { record }]);
  deepEqual(codes(result), Array(6).fill("op-path"));
  equal(result.events.length, 1);
  const raw = cidOf(encode(record)).bytes.slice();
  raw[1] = 0x55;
  const ops = [{ action: "upsert" }, { action: 5 }, { action: "create" }, { action: "update", cid: "bafy" }, {
    record,
    cid: raw,
  }];
  const others = commit([...ops, { record }]);
  deepEqual(codes(others), ["op-action", "op-action", "op-cid", "op-cid", "op-cid"]);
  equal(others.events.length, 1);
});

Deno.test("only wanted operations become events, the others are counted", () => {
  const ops = [
    { path: "app.bsky.feed.post/1", record: { n: 1 } },
    { path: "app.bsky.feed.like/2", record: { n: 2 } },
    { path: "app.bsky.feed.post/3", action: "delete" },
    { path: "nodots/4", record: { n: 4 } },
  ];
  const wanted = (filter: Options["filter"]) => {
    const result = commit(ops, {}, filter && { filter });
    return [
      result.events.map((event) => (event as CommitEvent).commit.rkey).join(),
      result.filtered,
      codes(result).join(),
    ];
  };
  const posts = (collection: string) => collection === "app.bsky.feed.post";
  deepEqual(wanted({}), ["1,2,3", 0, "op-path"]);
  deepEqual(wanted({ collections: posts }), ["1,3", 2, ""]);
  deepEqual(wanted({ operations: new Set(["delete"]) }), ["3", 3, ""]);
  deepEqual(wanted({ collections: posts, operations: new Set(["create", "update"]) }), ["1", 3, ""]);
  deepEqual(wanted({ dids: new Set([DID]) }), ["1,2,3", 0, "op-path"]);
  deepEqual(wanted({ dids: new Set(["did:plc:other"]) }), ["", 4, ""]);
  deepEqual(wanted({ kinds: new Set(["identity"] as const) }), ["", 4, ""]);
});

Deno.test("blocks are not looked at unless an operation is wanted that needs them", () => {
  const broken = { blocks: Uint8Array.of(1, 2, 3) };
  const filter = { collections: (collection: string) => collection === "a.b.c" };
  deepEqual(commit([{ record }], broken, { filter }), { events: [], filtered: 1, rejected: [], badTime: false });
  equal(refusal(() => commit([{ record }], broken)), "car-header");
  equal(refusal(() => commit([{ action: "delete" }], broken)), "car-header");
  equal(commit([{ action: "delete" }], broken, { verify: "none" }).events.length, 1);
});

Deno.test("a commit block that says something else than the message is refused", () => {
  const { blocks, commit: cid } = commitBody([{ record }]) as { blocks: Buffer; commit: ReturnType<typeof cidOf> };
  const block = encode({ did: DID, rev: REV, sig: new Uint8Array(64), data: cidOf(encode(1)), prev: null, version: 3 });
  const of = (change: Record<string, unknown>) => {
    const changed = encode({
      did: DID,
      rev: REV,
      sig: new Uint8Array(64),
      data: cid,
      prev: null,
      version: 3,
      ...change,
    });
    return { commit: cidOf(changed), blocks: carOf(cidOf(changed), [changed, encode(record)]) };
  };
  const other = cidOf(block);
  const cases: [string, Record<string, unknown>][] = [
    ["commit-mismatch", { commit: other }],
    ["commit-mismatch", { commit: other, blocks: carOf(other, [encode(record)]) }],
    ["commit-mismatch", of({ did: "did:plc:other" })],
    ["commit-mismatch", of({ rev: "3mptbypluud2b" })],
    ["commit-field", of({ version: 2 })],
    ["commit-field", of({ sig: "text" })],
    ["commit-field", of({ data: null })],
    ["commit-field", of({ prev: 1 })],
    ["cbor-tag", of({ more: new Raw("d82b4100") })],
    ["block-hash", { commit: other, blocks: carOf(other, [[other, encode("x")], encode(record)]) }],
    ["none", of({ prev: undefined })],
    ["none", { blocks, commit: cid }],
  ];
  for (const [code, change] of cases) {
    equal(refusal(() => commit([{ record }], change)), code);
    equal(refusal(() => commit([{ record }], change, { verify: "none" })), "none");
  }
});

Deno.test("a record with another hash than its CID's is rejected, its siblings are delivered", () => {
  const body = commitBody([{ record }, { record: { n: 2 } }]) as { blocks: Buffer };
  body.blocks[body.blocks.indexOf(encode({ n: 2 })) + 3] = 3;
  const result = events("#commit", body);
  deepEqual([codes(result), bodies(result.events).map(({ rkey }) => rkey)], [["block-hash"], ["0"]]);
  equal(events("#commit", body, { verify: "none" }).events.length, 2);
});

Deno.test("identity, account and sync events in the form that Jetstream gives them", () => {
  const head = { did: DID, seq: 7, time: TIME };
  const base = { did: DID, time_us: TIME_US, seq: 7, origin, relay: { time: TIME } };
  const all = { filter: { kinds: new Set(KINDS) } };
  const only = (type: string, body: unknown) => events(type, body, all).events;
  deepEqual(only("#identity", { ...head, handle: "a.test" }), [
    { ...base, kind: "identity", identity: { ...head, handle: "a.test" } },
  ]);
  deepEqual(Object.keys((only("#identity", head)[0] as Extract<AtEvent, { kind: "identity" }>).identity), [
    "did",
    "seq",
    "time",
  ]);
  deepEqual(only("#account", { ...head, active: false, status: "newstatus" }), [
    { ...base, kind: "account", account: { ...head, active: false, status: "newstatus" } },
  ]);
  deepEqual(only("#account", { ...head, active: true }), [
    { ...base, kind: "account", account: { ...head, active: true } },
  ]);
  const { blocks } = commitBody([]) as { blocks: Buffer };
  const sync = { ...head, rev: REV, blocks };
  const $bytes = blocks.toBase64({ omitPadding: true });
  deepEqual(only("#sync", sync), [{ ...base, kind: "sync", sync: { ...head, rev: REV, blocks: { $bytes } } }]);
  deepEqual(events("#sync", sync), { events: [], filtered: 1, rejected: [], badTime: false });
  equal(refusal(() => only("#sync", { ...sync, rev: "3mptbypluud2b" })), "commit-mismatch");
  equal(refusal(() => only("#sync", { ...sync, did: "did:plc:other" })), "commit-mismatch");
});

Deno.test("identity and account events of other accounts and kinds are filtered", () => {
  const body = { did: DID, seq: 7, time: TIME, active: true };
  for (const type of ["#identity", "#account"]) {
    const filter = { dids: new Set(["did:plc:other"]) };
    deepEqual(events(type, body, { filter }), { events: [], filtered: 1, rejected: [], badTime: false });
    equal(events(type, body, { filter: { kinds: new Set(["commit"] as const) } }).filtered, 1);
    equal(events(type, body, { filter: { collections: () => false } }).events.length, 1);
  }
});
