import assert from "node:assert/strict";
import fc from "fast-check";
import { realTest } from "../../tests/support/real_data.ts";
import type { AnyEvent, AtEvent } from "../atproto/event.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { parseV1 } from "../sources/jetstream/parse.ts";
import { createFilter, type FilterOptions } from "./filters.ts";

const origin = { source: "test", wire: "v1", host: "h" } as const;
const POST = "app.bsky.feed.post";

function commit(record: unknown, { operation = "create", collection = POST, did = "did:plc:a" } = {}): AnyEvent {
  const body = operation === "delete" ? { operation, collection } : { operation, collection, record };
  return { did, time_us: 1, kind: "commit", commit: { rev: "3k", rkey: "r", ...body }, origin } as AnyEvent;
}

const identity: AnyEvent = { did: "did:plc:a", time_us: 1, kind: "identity", identity: { did: "did:plc:a" }, origin };
const account: AnyEvent = { ...identity, kind: "account", account: { active: true, did: "did:plc:a" } };

async function keeps(options: FilterOptions, event: AnyEvent): Promise<boolean> {
  return (await createFilter(options))!.keep(event);
}

Deno.test("options that leave nothing out make no filter", async () => {
  assert.equal(await createFilter({}), undefined);
  assert.equal(await createFilter({ ops: [], langs: [], sample: 1 }), undefined);
});

Deno.test("--ops: commits of other operations are dropped, other kinds pass", async () => {
  const filter = (await createFilter({ ops: ["create", "delete"] }))!;
  const of = (operation: string) => filter.keep(commit({}, { operation }));
  assert.deepEqual(["create", "update", "delete"].map(of), [true, false, true]);
  assert.deepEqual([identity, account].map(filter.keep), [true, true]);
});

Deno.test("--langs: a post must name a wanted language or a narrower one, in any case", async () => {
  const cases: readonly (readonly [readonly string[], readonly string[], boolean])[] = [
    [["pt"], ["pt"], true],
    [["pt"], ["pt-BR"], true],
    [["pt-BR"], ["pt"], false],
    [["pt-br"], ["PT-BR"], true],
    [["pt"], ["ptx"], false],
    [["zh-Hant"], ["zh-hant-TW"], true],
    [["de", "ja"], ["en", "ja-JP"], true],
    [["de", "ja"], ["en", "fr"], false],
    [["en"], [], false],
  ];
  for (const [langs, named, expected] of cases) {
    assert.equal(await keeps({ langs }, commit({ langs: named })), expected, `${langs} of ${named}`);
  }
});

Deno.test("--langs: updates are looked at too; deletes, other collections and other kinds pass", async () => {
  const filter = (await createFilter({ langs: ["en"] }))!;
  assert.equal(filter.keep(commit({ langs: ["en"] }, { operation: "update" })), true);
  assert.equal(filter.keep(commit({ langs: ["de"] }, { operation: "update" })), false);
  assert.equal(filter.keep(commit({}, { operation: "delete" })), true);
  assert.equal(filter.keep(commit({ langs: ["de"] }, { collection: "app.bsky.feed.like" })), true);
  assert.deepEqual([identity, account].map(filter.keep), [true, true]);
});

Deno.test("--langs: a post without languages, or with something else in their place, does not match", async () => {
  const filter = (await createFilter({ langs: ["en"] }))!;
  const odd = [undefined, null, "en", 1, true, {}, { 0: "en" }, { some: "en" }, [null], [1, ["en"]], [{ en: 1 }]];
  for (const langs of odd) assert.equal(filter.keep(commit({ langs })), false, JSON.stringify(langs));
  assert.equal(filter.keep(commit({ langs: [null, 5, "en"] })), true);
});

Deno.test("--sample: the first 32 bits of SHA-256(DID), for every kind", async () => {
  // printf did:plc:wq4aajammjtxdomz3e23667t | sha256sum: 3cce3799 / 2^32 = 0.23752...
  const did = "did:plc:wq4aajammjtxdomz3e23667t";
  const label = {
    kind: "label",
    time_us: 1,
    origin,
    label: { src: did, uri: "at://x", val: "x", cts: "" },
  } as AnyEvent;
  const repo = { kind: "repo", did, time_us: 1, origin, repo: { did } } as AnyEvent;
  const events = [commit({}, { did }), { ...identity, did }, { ...account, did }, label, repo] as AnyEvent[];
  const share = 0x3cce3799 / 2 ** 32;
  for (const event of events) {
    assert.equal(await keeps({ sample: share }, event), false, event.kind);
    assert.equal(await keeps({ sample: share + 2 ** -32 }, event), true, event.kind);
  }
});

Deno.test("--sample: about the share that was asked for, and the same accounts with a full memory", async () => {
  const filter = (await createFilter({ sample: 0.25 }))!;
  const dids = Array.from({ length: 60_000 }, (_, i) => `did:plc:${i}`);
  const chosen = () => dids.filter((did) => filter.keep(commit({}, { did })));
  const first = chosen();
  assert(Math.abs(first.length / dids.length - 0.25) < 0.01, `${first.length}`);
  assert.deepEqual(chosen(), first);
  const long = commit({}, { did: `did:web:${"a".repeat(2000)}` });
  assert.equal(filter.keep(long), filter.keep(long));
});

Deno.test("all filters must agree, and only --where counts failures", async () => {
  const filter =
    (await createFilter({ ops: ["create"], langs: ["en"], sample: 0.999, where: "event.commit.record.ok" }))!;
  assert.equal(filter.keep(commit({ langs: ["en"], ok: true })), true);
  assert.equal(filter.keep(commit({ langs: ["en"], ok: false })), false);
  assert.equal(filter.keep(commit({ langs: ["de"], ok: true })), false);
  assert.equal(filter.keep(commit({ ok: true }, { operation: "update" })), false);
  assert.equal(filter.failures, 0);
  assert.equal(filter.keep(commit({ langs: ["en"] })), false);
  assert.equal(filter.failures, 1);
});

Deno.test("bad options: every fault is told", async () => {
  const options = { ops: ["creat"], langs: ["en_US", "日本", "en"], sample: 0, where: "event.kind == " };
  await assert.rejects(createFilter(options), (error) => {
    assert(error instanceof ConfigError);
    assert.deepEqual(error.faults, [
      "Cannot use --ops creat: it must be one of create, update, delete",
      "Cannot use --langs en_US: it must be a language tag such as en or pt-BR",
      "Cannot use --langs 日本: it must be a language tag such as en or pt-BR",
      "Cannot use --sample 0: it must be above 0 and at most 1",
      "Cannot use --where: unexpected token: EOF (column 15)",
    ]);
    return true;
  });
  for (const sample of [-0.1, 1.1, NaN, Infinity]) await assert.rejects(createFilter({ sample }), ConfigError);
  for (const tag of ["*", "e", "en-", "-en", "en--us", "en us", ""]) {
    await assert.rejects(createFilter({ langs: [tag] }), ConfigError, tag);
  }
});

Deno.test("no record makes a filter throw", async () => {
  const filter = (await createFilter({ langs: ["en"], where: "event.commit.record.langs.exists(l, l == 'en')" }))!;
  const value = fc.jsonValue({ maxDepth: 4 });
  const record = fc.record({ langs: value, constructor: value }, { requiredKeys: [] });
  fc.assert(fc.property(record, (each) => {
    const named = Array.isArray(each.langs) ? each.langs.filter((l) => l === "en") : [];
    assert.equal(filter.keep(commit(each)), named.length > 0);
  }));
});

/** Line by line, with nothing of the filters' own. */
const EXPECTED: readonly { options: FilterOptions; count: number; by: (line: string) => boolean }[] = [
  {
    options: { ops: ["delete"] },
    count: 6,
    by: (line) => /"operation":"delete"|"kind":"(identity|account)"/.test(line),
  },
  { options: { ops: ["create"] }, count: 146, by: (line) => !/"operation":"(update|delete)"/.test(line) },
  { options: { ops: ["update", "delete"] }, count: 8, by: (line) => !line.includes('"operation":"create"') },
  { options: { langs: ["en"] }, count: 144, by: (line) => otherThanPost(line) || /"langs":\[[^\]]*"en/.test(line) },
  { options: { langs: ["ja"] }, count: 136, by: (line) => otherThanPost(line) || /"langs":\[[^\]]*"ja"/.test(line) },
  {
    options: { langs: ["en-US", "es"] },
    count: 137,
    by: (line) => otherThanPost(line) || /"langs":\["e(n-US|s)"/.test(line),
  },
  {
    options: { where: 'event.commit.record.langs.exists(l, l == "ja")' },
    count: 1,
    by: (line) => line.includes('"langs":["ja"]'),
  },
  { options: { where: "has(event.commit.record.reply)" }, count: 8, by: (line) => line.includes('"reply":{') },
  { options: { where: 'event.kind != "commit"' }, count: 2, by: (line) => !line.includes('"kind":"commit"') },
  {
    options: { where: "event.time_us >= 1783175888090631" },
    count: 150,
    by: (line) => Number(/"time_us":(\d+)/.exec(line)![1]) >= 1783175888090631,
  },
];

function otherThanPost(line: string): boolean {
  return !line.includes(`"collection":"${POST}"`) || line.includes('"operation":"delete"');
}

async function realEvents(path: string) {
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  return lines.map((line) => parseV1(line, origin) as AtEvent);
}

realTest("L16: fixed counts over E", ["expected_v1.jsonl"], async ([path]) => {
  const events = await realEvents(path!);
  for (const { options, count, by } of EXPECTED) {
    const filter = (await createFilter(options))!;
    const kept = events.filter(filter.keep).map(({ raw }) => raw!);
    assert.deepEqual(kept, events.map(({ raw }) => raw!).filter(by), JSON.stringify(options));
    assert.equal(kept.length, count, JSON.stringify(options));
  }
});

realTest("L16: --sample 0.5 over E: 83 of 149 accounts, twice the same", ["expected_v1.jsonl"], async ([path]) => {
  const events = await realEvents(path!);
  const sampled = async () => events.filter((await createFilter({ sample: 0.5 }))!.keep).map(({ did }) => did);
  const dids = await sampled();
  assert.deepEqual(await sampled(), dids);
  assert.deepEqual([dids.length, new Set(dids).size], [85, 83]);
});
