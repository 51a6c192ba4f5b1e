import assert from "node:assert/strict";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Batch } from "../../lib/pipeline/batch.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { filterOf } from "./filters.ts";

type Settings = Parameters<typeof filterOf>[0];

const NOTHING: Settings = {
  ops: [],
  langs: [],
  sample: undefined,
  where: undefined,
  validate: "off",
  lexicons: undefined,
};
const origin = { source: "test", wire: "v1", host: "h" } as const;
const POST = "app.bsky.feed.post";

function post(langs: readonly string[], text: unknown = "x"): AnyEvent {
  const record = { $type: POST, createdAt: "2026-01-01T00:00:00Z", langs, text };
  const commit = { rev: "3k", operation: "create", collection: POST, rkey: "r", record, cid: "bafy" } as const;
  return { did: "did:plc:a", time_us: 1, kind: "commit", commit, origin };
}

async function through(settings: Partial<Settings>, batch: Batch<AnyEvent>) {
  const filtering = await filterOf({ ...NOTHING, ...settings });
  const [result] = await Array.fromAsync(filtering.through!(ReadableStream.from([batch])));
  return { ...filtering, batch: result! };
}

Deno.test("without options nothing stands between source and sink", async () => {
  const { through, failures, invalid } = await filterOf(NOTHING);
  assert.deepEqual([through, failures(), invalid()], [undefined, 0, 0]);
});

Deno.test("what is dropped counts as filtered and leaves the position; failures of --where are counted", async () => {
  const items = [post(["en"]), post([]), post(["de"])];
  const settings = { langs: ["en", "de"], where: 'event.commit.record.langs[0] == "en" || event.commit.no' };
  const { batch, failures } = await through(settings, { items, cursor: "3", filtered: 1 });
  assert.deepEqual([batch.items, batch.cursor, batch.filtered, failures()], [[items[0]], "3", 3, 1]);
});

Deno.test("--validate reject: a dead letter of reason lexicon, but not for what is filtered out", async () => {
  const items = [post(["en"]), post(["en"], 1), post(["de"], 1)];
  const { batch, invalid } = await through({ langs: ["en"], validate: "reject" }, { items, cursor: "3" });
  assert.deepEqual([batch.items, batch.cursor, batch.filtered, invalid()], [[items[0]], "3", 1, 1]);
  assert.deepEqual(batch.poison?.map(({ item, error }) => [item, error.reason]), [[items[1], "lexicon"]]);
});

Deno.test("--validate warn: everything passes", async () => {
  const items = [post(["en"]), post(["en"], 1)];
  const { batch, invalid } = await through({ validate: "warn" }, { items, cursor: "3" });
  assert.deepEqual([batch.items, batch.poison, invalid()], [items, undefined, 1]);
});

Deno.test("bad options are told before anything is read", async () => {
  await assert.rejects(filterOf({ ...NOTHING, sample: 0, where: "event." }), (error) => {
    assert(error instanceof ConfigError);
    assert.equal(error.faults.length, 2);
    return true;
  });
});
