import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import fc from "fast-check";
import { captureLog } from "../../tests/support/log_records.ts";
import { collect, SEED, streamOf } from "../../tests/support/pipeline_ends.ts";
import { realTest } from "../../tests/support/real_data.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import type { AnyEvent, AtEvent, CommitEvent } from "../atproto/event.ts";
import { ConfigError, PoisonError } from "../pipeline/errors.ts";
import { mapEvents } from "../pipeline/stages.ts";
import { generatedEvents } from "../simulate/generator.ts";
import { parseV1 } from "../sources/jetstream/parse.ts";
import { createValidator, validateWith } from "./validate.ts";

const LINK = { $link: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" };
const BLOB = { $type: "blob", ref: LINK, mimeType: "image/jpeg", size: 1000 };
const OLD_BLOB = { cid: LINK.$link, mimeType: "image/jpeg" };
const POST = { $type: "app.bsky.feed.post", text: "Hi", createdAt: "2026-01-01T00:00:00.000Z" };
const POSTS = POST.$type;

const origin = { source: "test", wire: "v1", host: "localhost" } as const;

function commit(
  collection: string,
  record: unknown,
  operation: "create" | "update" | "delete" = "create",
): CommitEvent {
  const body = { rev: "3mbd353zwyoei", operation, collection, rkey: "3mbd353puq6yi", record } as CommitEvent["commit"];
  return { kind: "commit", did: "did:plc:alice", time_us: 1, origin, commit: body };
}

const post = (more: Record<string, unknown>) => commit(POSTS, { ...POST, ...more });
const images = (image: unknown) => post({ embed: { $type: "app.bsky.embed.images", images: [{ alt: "", image }] } });

/** The events of a v1 file that have a record. */
const recordsIn = (file: string) =>
  Deno.readTextFileSync(file).trim().split("\n").map((line) => JSON.parse(line) as AtEvent)
    .filter((event) => event.kind === "commit" && event.commit.record !== undefined);

realTest(
  "validate: every genuine record is valid, also those with blobs and links",
  ["expected_v1.jsonl", "golden_v1.jsonl"],
  async (files) => {
    const validator = await createValidator();
    const events = files.flatMap(recordsIn);
    ok(events.length > 150);
    ok(events.some((event) => JSON.stringify(event).includes('"$type":"blob"')));
    deepEqual(events.map((event) => validator.check(event)).filter((fault) => fault !== undefined), []);
  },
);

Deno.test("validate: what the simulator generates is valid", async () => {
  const validator = await createValidator();
  const events = recordsIn(`${import.meta.dirname}/../../fixtures/jetstream_v1.jsonl`);
  ok(events.length > 50);
  deepEqual(events.map((event) => validator.check(event)).filter((fault) => fault !== undefined), []);
});

Deno.test("validate: each kind of fault has a line that says where", async () => {
  const validator = await createValidator();
  const { text: _, ...untitled } = POST;
  const { $type: __, ...untyped } = POST;
  const cases: [AnyEvent, RegExp][] = [
    [commit(POSTS, untitled), /missing_value at \.text/],
    [commit(POSTS, untyped), /missing_value at \.\$type/],
    [post({ $type: "app.bsky.feed.like" }), /\.\$type \(expected "app\.bsky\.feed\.post"\)/],
    [commit(POSTS, undefined), /expected object/],
    [post({ text: 1 }), /\.text \(expected string\)/],
    [post({ text: "x".repeat(3001) }), /invalid_string_length at \.text/],
    [post({ text: "\u{1F469}\u200D\u{1F4BB}".repeat(301).slice(0, 2900) + "x".repeat(301) }), /at \.text/],
    [post({ createdAt: "yesterday" }), /\.createdAt \(expected a datetime/],
    [post({ langs: ["a", "b", "c", "d"] }), /\.langs/],
    [post({ reply: { root: { uri: "at://did:plc:a/b", cid: "x" } } }), /\.reply/],
    [images("bafkrei"), /expected blob/],
    [images({ ...BLOB, ref: { $link: "no cid" } }), /expected blob/],
    [images({ ...BLOB, size: 2_000_001 }), /invalid_blob_size at \.embed\.images\.0\.image/],
    [images({ ...BLOB, mimeType: "text/html" }), /invalid_blob_mime_type/],
    [commit("chat.bsky.actor.declaration", { $type: "chat.bsky.actor.declaration" }), /allowIncoming/],
    [commit("app.bsky.feed.like", POST, "update"), /app\.bsky\.feed\.like/],
  ];
  for (const [event, line] of cases) {
    const fault = validator.check(event);
    match(fault ?? "", line);
    ok(!fault!.includes("\n"));
  }
  equal(validator.invalid, cases.length);
  deepEqual([...validator.invalidByCollection], [[POSTS, 14], ["chat.bsky.actor.declaration", 1], [
    "app.bsky.feed.like",
    1,
  ]]);
});

Deno.test("validate: what is not checked is valid", async () => {
  const validator = await createValidator();
  const account = {
    kind: "account",
    did: "did:plc:a",
    time_us: 1,
    origin,
    account: { active: true, did: "did:plc:a" },
  } as const;
  const passes: AnyEvent[] = [
    commit(POSTS, undefined, "delete"),
    commit("com.example.note", { anything: 1.5 }),
    commit("com.atproto.lexicon.schema", {}),
    account,
    images(BLOB),
    images(OLD_BLOB), // the form of 2022, without a size
    post({ future: { deep: [null] }, embed: { $type: "com.example.embed", x: 1 } }),
    { ...post({}), commit: { ...post({}).commit, rkey: "not-a-tid" } },
  ];
  deepEqual(passes.map((event) => validator.check(event)), passes.map(() => undefined));
  equal(validator.invalid, 0);
});

Deno.test("validate reject: an invalid record is a PoisonError with the reason lexicon, for the dead letter", async () => {
  const valid = post({}), invalid = post({ text: null });
  const stage = mapEvents(validateWith<AnyEvent>(await createValidator(), "reject"));
  const [out] = await collect(streamOf({ items: [valid, invalid], cursor: "2" }).pipeThrough(stage));
  deepEqual(out!.items, [valid]);
  deepEqual(out!.poison!.map(({ item, error }) => [item, error.reason]), [[invalid, "lexicon"]]);
  equal(out!.poison![0]!.error.message, `Cannot accept record of ${POSTS}: invalid_type at .text (expected string)`);
});

Deno.test("validate warn: all pass; the first of a collection is logged, then one line a minute", async () => {
  await using log = await captureLog();
  const validator = await createValidator();
  let now = 0;
  const warn = validateWith(validator, "warn", () => now);
  const bad = post({ text: null }), like = commit("app.bsky.feed.like", {});
  for (const event of [bad, bad, like, bad]) equal(warn(event), event);
  now = 59_999;
  warn(bad);
  deepEqual(log.lines, [
    `warning: at://did:plc:alice/${POSTS}/3mbd353puq6yi does not match its lexicon: invalid_type at .text (expected string)`,
    "warning: at://did:plc:alice/app.bsky.feed.like/3mbd353puq6yi does not match its lexicon: " +
    validator.check(like),
  ]);
  now = 60_000;
  warn(like);
  warn(bad);
  now = 119_999;
  warn(bad);
  now = 120_000;
  warn(bad);
  deepEqual(log.lines.slice(2), [
    `warning: More records do not match their lexicons: 3 of ${POSTS}, 1 of app.bsky.feed.like`,
    `warning: More records do not match their lexicons: 3 of ${POSTS}`,
  ]);
  equal(validator.invalid, 10);
});

Deno.test("validate: hostile records lead to nothing but a PoisonError of one line", async () => {
  const validator = await createValidator();
  const check = validateWith(validator, "reject");
  const collections = [POSTS, "app.bsky.actor.profile", "app.bsky.feed.threadgate", "chat.bsky.actor.declaration"];
  const part = fc.oneof(fc.jsonValue(), fc.constantFrom(BLOB, OLD_BLOB, LINK, { $bytes: "AA==" }, "__proto__"));
  const key = fc.constantFrom(
    "text",
    "embed",
    "facets",
    "labels",
    "reply",
    "tags",
    "$type",
    "__proto__",
    "avatar",
    "allow",
  );
  const record = fc.oneof(
    part,
    fc.dictionary(key, part).map((more) => JSON.parse(JSON.stringify({ ...POST, ...more }))),
  );
  fc.assert(
    fc.property(fc.constantFrom(...collections), record, (collection, record) => {
      const event = commit(collection, record);
      try {
        equal(check(event), event);
      } catch (error) {
        ok(error instanceof PoisonError && error.reason === "lexicon", String(error));
        ok(error.message.length < 1000 && !error.message.includes("\n"));
      }
    }),
    { numRuns: 500, seed: SEED },
  );
  ok(validator.invalid > 0);
});

Deno.test("validate: records deeper than the stack are invalid, not the end", async () => {
  using folder = tempFolder();
  const properties = { child: { type: "ref", ref: "#tree" } };
  const defs = {
    main: { type: "record", key: "any", record: { type: "object", properties } },
    tree: { type: "object", properties },
  };
  Deno.writeTextFileSync(`${folder.path}/tree.json`, JSON.stringify({ lexicon: 1, id: "com.example.tree", defs }));
  const validator = await createValidator({ lexicons: folder.path });
  const nested = (depth: number) => {
    let child: Record<string, unknown> = {};
    for (let i = 0; i < depth; i++) child = { child };
    return child;
  };
  equal(validator.check(commit("com.example.tree", { $type: "com.example.tree", ...nested(100) })), undefined);
  equal(
    validator.check(commit("com.example.tree", { $type: "com.example.tree", ...nested(1_000_000) })),
    "it is nested too deeply",
  );
  equal(validator.check(post({ embed: nested(1_000_000) })), "missing_value at .embed.$type (missing value)");
});

Deno.test("validate --lexicons: a folder that cannot be read is a ConfigError", async () => {
  await rejects(createValidator({ lexicons: "/nonexistent" }), (error) => {
    ok(error instanceof ConfigError);
    match(error.message, /^Cannot read lexicons in \/nonexistent: /);
    return true;
  });
});

Deno.test("validateWith: what a validator throws by mistake is not taken for an invalid record", () => {
  const broken = { check: () => throwing(), invalid: 0, invalidByCollection: new Map() };
  const throwing = (): never => {
    throw new TypeError("A bug");
  };
  throws(() => validateWith(broken, "reject")(post({})), TypeError);
});

Deno.test("generated events are as their lexicons want them", async () => {
  const validator = await createValidator({});
  const store = generatedEvents({ epoch: Date.UTC(2026, 0, 1) * 1000, count: 100_000 });
  const origin = { source: "jetstream", wire: "v1", host: "h" } as const;
  for (let i = 1; i <= store.last; i++) {
    const event = parseV1(store.read(i, "v1", undefined)!, origin) as AtEvent;
    equal(validator.check(event), undefined, `event ${i}`);
  }
});
