import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { captureLog } from "../../tests/support/log_records.ts";
import { EPOCH_US } from "../../tests/support/sqlite.ts";
import { toJson } from "../atproto/event.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { runPipeline } from "../pipeline/pipeline.ts";
import { nullSink } from "../sinks/null.ts";
import type { TapEntry } from "./tap.ts";
import { replay, type ReplayOptions } from "./replay.ts";
import { CLOSED, filesOf, line, lines, opened, read, recordingOf, textsOf } from "../../tests/support/recordings.ts";

Deno.test("replay: host and wire are those of the recording's connections", async () => {
  const v2 = {
    $type: "message",
    payload: {
      $type: "network.bsky.jetstream.subscribeEvents#account",
      account: { active: true, did: "did:plc:a", seq: 7, time: "2026-01-01T00:00:00Z" },
      did: "did:plc:a",
      seq: 9,
      time: "2026-01-01T00:00:01.000000Z",
    },
  };
  const bytes = await recordingOf([
    opened("one"),
    line(1),
    CLOSED,
    { ...opened("two"), wire: "v2" } as TapEntry,
    JSON.stringify(v2),
  ]);
  using files = filesOf({ "x.rec": bytes });
  const events = (await read({ files: files.paths })).flatMap((b) => b.items);
  assert.deepEqual(events.map((e) => [e.origin.host, e.origin.wire, e.kind]), [
    ["one", "v1", "commit"],
    ["two", "v2", "account"],
  ]);
});

Deno.test("replay: copies are left out behind a reconnect, and nowhere else", async () => {
  const SECOND = 1_000_000;
  const at = (i: number) => line(i, EPOCH_US + i * SECOND);
  const bytes = await recordingOf([
    opened("one"),
    ...[1, 2, 3, 3, 4].map(at), // no reconnect: the server's own doubles are handed on
    CLOSED,
    opened("one", `?cursor=${EPOCH_US - SECOND}`),
    ...[1, 3, 4, 5, 10, 4].map(at), // past the overlap nothing is compared any more
    CLOSED,
    opened("two", `?cursor=${EPOCH_US + 7 * SECOND}`),
    ...[6, 7, 10, 11].map(at), // 6 was never asked for
  ]);
  using files = filesOf({ "x.rec": bytes });
  const batches = await read({ files: files.paths });
  const expected = [1, 2, 3, 3, 4, 5, 10, 4, 7, 11].map(at);
  assert.deepEqual(textsOf(batches), expected);
  assert.equal(batches.reduce((n, b) => n + (b.duplicates ?? 0), 0), 5);
});

Deno.test("T11: from the position behind any event, the rest comes exactly once, copies behind reconnects included", async () => {
  const SECOND = 1_000_000;
  const at = (i: number) => line(i, EPOCH_US + i * SECOND);
  const first = await recordingOf([opened("h"), ...[1, 2, 3].map(at), CLOSED, opened("h"), ...[2, 3, 4, 5].map(at)]);
  const second = await recordingOf([opened("h"), ...[4, 5, 6, 7].map(at)], { compression: "zstd" });
  using files = filesOf({ "a.rec": first, "b.rec.zst": second, "c.jsonl": `${at(8)}\n\n${at(9)}\n` });
  const all = await read({ files: files.paths, loop: 2 });
  const expected = [...Array(2)].flatMap(() => [1, 2, 3, 4, 5, 6, 7, 8, 9].map(at));
  assert.deepEqual(textsOf(all), expected);
  let seen = 0;
  for (const batch of all) {
    for (const item of batch.items) {
      const cursor = batch.cursorAfter!(item)!;
      assert.deepEqual(textsOf(await read({ files: files.paths, loop: 2 }, cursor)), expected.slice(++seen), cursor);
    }
    if (!batch.end) {
      assert.deepEqual(textsOf(await read({ files: files.paths, loop: 2 }, batch.cursor)), expected.slice(seen));
    }
  }
  assert.equal(seen, expected.length);
});

Deno.test("T11: a resumed replay says so; one that ended begins anew, and so does --restart", async () => {
  using files = filesOf({ "x.jsonl": lines(3).join("\n") });
  const all = await read({ files: files.paths });
  const middle = all[0]!.cursorAfter!(all[0]!.items[0]);
  {
    await using log = await captureLog();
    assert.equal(textsOf(await read({ files: files.paths }, middle)).length, 2);
    assert.ok(log.lines.some((l) => /^info: Going on in .*x\.jsonl behind entry 1/.test(l)), log.lines.join("\n"));
  }
  assert.equal(textsOf(await read({ files: files.paths, restart: true }, middle)).length, 3);
  assert.equal(textsOf(await read({ files: files.paths }, all.at(-1)!.cursor)).length, 3);
});

Deno.test("replay: a position that does not fit the files is refused, with the way out", async () => {
  using files = filesOf({ "x.jsonl": lines(3).join("\n") });
  const [batch] = await read({ files: files.paths });
  const middle = batch!.cursorAfter!(batch!.items[0])!;
  const place = JSON.parse(middle);
  const wrong = [
    [middle.replace(`${place.size}`, "7"), /had 7 bytes then, and has \d+ bytes now/],
    [JSON.stringify({ ...place, file: 2 }), /it was in file 2, and only 1 are named now/],
    ["{", /it is no position in a recording/],
    ['{"v":1,"host":"h","wire":"v1","time_us":1700000000000000}', /it is no position in a recording/],
  ] as const;
  for (const [cursor, why] of wrong) {
    await assert.rejects(read({ files: files.paths }, cursor), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, why);
      assert.equal(error.hint, "Use --restart to begin anew");
      return true;
    });
    assert.equal(textsOf(await read({ files: files.paths, restart: true }, cursor)).length, 3);
  }
});

Deno.test("replay: the key is the first file's base name, behind an explicit state key", () => {
  assert.equal(replay({ files: ["a/b.rec", "c.rec"] }).key, "replay:b.rec");
  assert.equal(replay({ files: ["a/b.rec"], keyPrefix: "k" }).key, "k:replay:b.rec");
});

Deno.test("replay: standard input is read as it comes, and has no positions", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const reader = replay({ files: ["-"], stdin: readable }).open().getReader();
  const written = writer.write(new TextEncoder().encode(`${line(1)}\n`));
  const { value } = await reader.read();
  assert.deepEqual([value!.items.map(toJson), value!.cursor], [[line(1)], undefined]);
  await written;
  const rest = writer.write(new TextEncoder().encode(line(2))).then(() => writer.close());
  assert.deepEqual((await reader.read()).value!.items.map(toJson), [line(2)]);
  const { end, cursor } = (await reader.read()).value!;
  assert.deepEqual({ end, cursor }, { end: true, cursor: undefined });
  assert.equal((await reader.read()).done, true);
  await rest;
});

Deno.test("replay: stop ends a wait for standard input", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const stop = new AbortController();
  const reader = replay({ files: ["-"], stdin: readable }).open({ stop: stop.signal }).getReader();
  const waiting = reader.read();
  stop.abort();
  assert.equal((await waiting).done, true);
  await writable.getWriter().closed.catch(() => {});
});

Deno.test("replay: filters are Jetstream's, without one for collections", async () => {
  const account =
    '{"did":"did:plc:a","time_us":1767225600000000,"kind":"account","account":{"active":true,"did":"did:plc:a"}}';
  using files = filesOf({ "x.jsonl": [line(1), account].join("\n") });
  const kindsOf = async (options: Partial<ReplayOptions>) => {
    const batches = await read({ files: files.paths, ...options });
    const filtered = batches.reduce((n, b) => n + (b.filtered ?? 0), 0);
    return [...batches.flatMap((b) => b.items.map((e) => e.kind)), filtered];
  };
  assert.deepEqual(await kindsOf({}), ["commit", "account", 0]);
  assert.deepEqual(await kindsOf({ collections: ["app.bsky.graph.*"] }), ["account", 1]);
  assert.deepEqual(await kindsOf({ collections: ["all"], kinds: ["commit"] }), ["commit", 1]);
  assert.deepEqual(await kindsOf({ dids: ["did:plc:a"] }), ["account", 1]);
});

Deno.test("replay: every wrong option is named", () => {
  const wrong = { files: ["-", "-"], collections: ["*"], dids: ["x"], kinds: ["identity", "y"], speed: -1, loop: 0 };
  assert.throws(() => replay(wrong), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.faults.length, 7);
    return true;
  });
  assert.throws(() => replay({ files: [] }), ConfigError);
  assert.throws(() => replay({ files: ["-"], loop: 2 }), ConfigError);
});

Deno.test("replay: leaving the stream early closes the file", async () => {
  using files = filesOf({ "x.jsonl.gz": gzipSync(lines(20_000).join("\n")) });
  const reader = replay({ files: files.paths }).open().getReader();
  assert.equal((await reader.read()).done, false);
  await reader.cancel(); // the sanitizer of resources sees what stays open
});

Deno.test("replay: into a sink, in and out add up, and the last position is an end", async () => {
  using files = filesOf({ "x.jsonl": [...lines(5000), "broken", line(9000)].join("\n") });
  const letters: unknown[] = [];
  await using sink = nullSink();
  const { counters, endedBy } = await runPipeline({
    source: replay({ files: files.paths, collections: ["app.bsky.feed.*"] }),
    sink,
    deadLetter: (more) => Promise.resolve(void letters.push(...more)),
  });
  assert.equal(endedBy, "source");
  assert.deepEqual([counters.received, counters.written, counters.deadLettered, letters.length], [5002, 5001, 1, 1]);
});
