import assert from "node:assert/strict";
import { type AnyEvent, toJson } from "../../atproto/event.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import {
  commitEvent,
  EPOCH_US,
  labelEvent,
  ORIGIN,
  put,
  readBack,
  readBackTest,
  v1Event,
} from "../../../tests/support/sqlite.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { sqliteSink } from "../sqlite.ts";

const VIEWS = [
  "records",
  "posts",
  "likes",
  "reposts",
  "follows",
  "blocks",
  "deletes",
  "identities",
  "accounts",
  "labels",
  "repos",
];

async function fileOf(folder: string, events: readonly AnyEvent[]): Promise<string> {
  const path = `${folder}/x.db`;
  await using sink = await sqliteSink({ path });
  await put(sink, events);
  return path;
}

function counts(path: string): Record<string, number> {
  const sql = VIEWS.map((view) => `SELECT '${view}' AS view, count(*) AS n FROM (SELECT * FROM ${view})`).join(
    " UNION ALL ",
  );
  return Object.fromEntries(readBack<{ view: string; n: number }>(path, sql).map(({ view, n }) => [view, n]));
}

realTest("S3: the views over the real events have the rows that are in them", ["expected_v1.jsonl"], async ([file]) => {
  using folder = tempFolder();
  const events = Deno.readTextFileSync(file!).trimEnd().split("\n").map((line) => v1Event(line));
  const path = await fileOf(folder.path, events);
  assert.deepEqual(counts(path), {
    records: 146,
    posts: 17,
    likes: 105,
    reposts: 15,
    follows: 6,
    blocks: 1,
    deletes: 4,
    identities: 1,
    accounts: 1,
    labels: 0,
    repos: 0,
  });
  const posts = readBack(path, "SELECT * FROM posts ORDER BY position");
  for (const post of posts) {
    const event = events[(post.position as number) - 1]!;
    assert(event.kind === "commit");
    // deno-lint-ignore no-explicit-any -- records are whatever their author made them
    const record = event.commit.record as any;
    assert.equal(post.uri, `at://${event.did}/app.bsky.feed.post/${event.commit.rkey}`);
    assert.equal(post.text, record.text);
    assert.equal(post.created_at, record.createdAt);
    assert.deepEqual(post.langs === null ? undefined : JSON.parse(post.langs as string), record.langs);
    assert.equal(post.embed, record.embed?.$type ?? null);
    assert.equal(post.reply_root, record.reply?.root.uri ?? null);
    assert.equal(post.reply_parent, record.reply?.parent.uri ?? null);
    assert.equal(post.quote, record.embed?.record?.uri ?? record.embed?.record?.record?.uri ?? null);
  }
  const [like] = readBack(path, "SELECT * FROM likes ORDER BY position LIMIT 1");
  assert.deepEqual([like!.position, like!.time, like!.created_at], [
    1,
    "2026-07-04T14:38:08.085Z",
    "2026-07-04T14:38:08.999Z",
  ]);
  assert.match(like!.subject as string, /^at:\/\/did:plc:r2zybk6op3ymzpz6jhqpkoy5\/app\.bsky\.feed\.post\//);
  const [account] = readBack(path, "SELECT active, status FROM accounts");
  assert.equal(typeof account!.active, "number");
});

readBackTest("S4: records shows what is left of a record after each of its events", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path });
  const seen: unknown[] = [];
  for (const [i, operation] of (["create", "update", "delete", "create"] as const).entries()) {
    const event = { ...commitEvent(1, { operation, rev: `rev${i}` }), time_us: EPOCH_US + i };
    await put(sink, [event]);
    seen.push(readBack(path, "SELECT position, rev FROM records"));
  }
  assert.deepEqual(seen, [
    [{ position: 1, rev: "rev0" }],
    [{ position: 2, rev: "rev1" }],
    [],
    [{ position: 4, rev: "rev3" }],
  ]);
});

readBackTest("S5: records that JSON functions cannot read leave every view working", async () => {
  using folder = tempFolder();
  const deep = "[".repeat(1_500) + "]".repeat(1_500);
  const head = (rkey: string) =>
    `{"did":"did:plc:a","time_us":${EPOCH_US},"kind":"commit","commit":{"rev":"r","operation":"create","collection":"app.bsky.feed.post","rkey":"${rkey}","record":`;
  const lines = [
    `${head("deep")}{"text":"t","x":${deep}},"cid":"c"}}`,
    `${head("far")}{"text":"t","x":${"[".repeat(4_000)}${"]".repeat(4_000)}},"cid":"c"}}`,
    `${head("nul")}{"text":"a\\u0000b","langs":["en"]},"cid":"c"}}`,
    `${head("half")}{"text":"\\ud800","langs":null},"cid":"c"}}`,
    `${head("wrong")}{"text":{"a":1},"langs":"en","reply":7,"embed":[]},"cid":"c"}}`,
  ];
  const path = await fileOf(folder.path, lines.map((line) => v1Event(line)));
  assert.equal(counts(path).posts, 5);
  assert.deepEqual(readBack(path, "SELECT json FROM events ORDER BY position").map((row) => row.json), lines);
  const [far] = readBack(path, "SELECT position, text, langs, created_at FROM posts WHERE uri LIKE '%/far'");
  assert.deepEqual(far, { position: 2, text: null, langs: null, created_at: null });
  assert.deepEqual(readBack(path, "SELECT langs FROM posts WHERE uri LIKE '%/half'"), [{ langs: null }]);
});

readBackTest("S17: labels shows those in force", async () => {
  using folder = tempFolder();
  const [t1, t2, t3] = ["2026-01-01T00:00:00.000Z", "2026-01-01T03:00:00.5+02:00", "2026-01-01T02:00:00Z"];
  const path = await fileOf(folder.path, [
    labelEvent("at://a", t1),
    labelEvent("at://a", t3),
    labelEvent("at://a", t2, { neg: true }), // came last, but is older than the second one
    labelEvent("at://negated", t1),
    labelEvent("at://negated", t3, { neg: true }),
    labelEvent("at://expired", t1, { exp: "2026-01-01T00:00:01Z" }),
    labelEvent("at://lasting", t1, { exp: "2999-01-01T00:00:00Z" }),
    labelEvent("at://two", t1, { cid: "c1" }),
    labelEvent("at://two", t1, { cid: "c2" }),
  ]);
  const rows = readBack(path, "SELECT position, src, uri, cid, val, cts, exp FROM labels ORDER BY position");
  assert.deepEqual(rows.map((row) => [row.position, row.uri, row.cid]), [
    [2, "at://a", null],
    [7, "at://lasting", null],
    [8, "at://two", "c1"],
    [9, "at://two", "c2"],
  ]);
  assert.deepEqual({ ...rows[0] }, {
    position: 2,
    src: "did:plc:labeler",
    uri: "at://a",
    cid: null,
    val: "spam",
    cts: t3,
    exp: null,
  });
  assert.deepEqual(readBack(path, "SELECT did, operation, rkey FROM events WHERE position IN (4, 5)"), [
    { did: "did:plc:labeler", operation: "create", rkey: null },
    { did: "did:plc:labeler", operation: "delete", rkey: null },
  ]);
});

readBackTest("a listed repo is a row of repos", async () => {
  using folder = tempFolder();
  const repo = { did: "did:plc:r", head: "bafyhead", rev: "rev1", active: false, status: "takendown" };
  const event: AnyEvent = { kind: "repo", did: repo.did, time_us: EPOCH_US, origin: ORIGIN, repo };
  const path = await fileOf(folder.path, [event]);
  assert.deepEqual(readBack(path, "SELECT * FROM repos"), [{
    position: 1,
    did: "did:plc:r",
    host: "example.test",
    head: "bafyhead",
    rev: "rev1",
    active: 0,
    status: "takendown",
    time: "2026-01-01T00:00:00.000Z",
  }]);
  assert.deepEqual(readBack(path, "SELECT json FROM events"), [{ json: toJson(event) }]);
});
