import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { Gap } from "../../lib/pipeline/batch.ts";
import { ConfigError, FatalError, GapError, TransientError } from "../../lib/pipeline/errors.ts";
import { errorFrame, infoFrame } from "../../lib/simulate/repos/messages.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import type { FirehoseOptions } from "../../lib/sources/firehose.ts";
import { at, commit, commits, KEY, runFirehose, seqsOf } from "../support/live_run.ts";
import { range } from "../support/jetstream_run.ts";
import { captureLog } from "../support/log_records.ts";
import { type Dial, startScripted } from "../support/scripted_jetstream.ts";

/** A server that does one of these with each handshake, the last one again and again. */
const script = (...steps: readonly ((dial: Dial) => void)[]) =>
  startScripted({ onDial: (dial) => (steps[dial.index] ?? steps.at(-1))!(dial) });
const send = (...messages: readonly (string | Uint8Array)[]) => (dial: Dial) => void dial.accept(...messages);
/** Says good-bye as servers do: an error frame, then the end. */
const fail = (...messages: readonly Uint8Array[]) => (dial: Dial) => dial.accept(...messages).close(1008);
const cursors = (server: { readonly dials: readonly Dial[] }) => server.dials.map(({ cursor }) => cursor);
const short = (gaps: readonly Gap[]) => gaps.map(({ reason, from, to, state }) => [reason, from, to, state]);

Deno.test("F6: an error frame that nobody knows, with and without t, leads to a back-off and the same cursor", async () => {
  const failures: unknown[] = [];
  await using log = await captureLog();
  await using server = await script(
    fail(commit(5), errorFrame("BigOops", "no")),
    fail(errorFrame("BigOops", "no", "#oops")),
    send(commit(6)),
  );
  await using run = runFirehose(server, { backoff: (_, error) => failures.push(error) }, at("4"));
  await run.until(() => run.cursor === "6");
  deepEqual([cursors(server), seqsOf(run.events), run.gaps], [[4, 5, 5], [5, 6], []]);
  ok(failures.every((error) => error instanceof TransientError && /BigOops: no/.test(error.message)));
  equal(log.lines.filter((line) => line.startsWith("warning") && /BigOops: no/.test(line)).length, 2);
});

Deno.test("F7: FutureCursor ends the run and says why, or leads to where the user wants, never in a hot loop", async () => {
  const future = fail(errorFrame("FutureCursor", "Cursor in the future."));
  await using server = await script(future);
  await using run = runFirehose(server, {}, at("42"));
  await rejects(run.result, (error) => {
    ok(error instanceof ConfigError);
    for (const word of ["host", "42", "--on-future-cursor"]) ok(error.message.includes(word), error.message);
    return true;
  });
  deepEqual([server.dials.length, run.store.positions.get(KEY)], [1, "42"]);
  for (const [where, asked] of [["live", undefined], ["oldest", 0]] as const) {
    const attempts: number[] = [];
    await using next = await script(future, send(...commits(3, 4)));
    await using going = runFirehose(next, { onFutureCursor: where, backoff: (n) => (attempts.push(n), 5) }, at("42"));
    await going.until(() => going.cursor === "4");
    deepEqual([cursors(next), attempts], [[42, asked], [0]]);
    deepEqual(short(going.gaps), [["future_cursor", 43, undefined, "open"]]);
  }
});

Deno.test("F8: ConsumerTooSlow is resumed at the cursor, and its gap is whole again", async () => {
  await using server = await script(fail(...commits(5, 9), errorFrame("ConsumerTooSlow")), send(...commits(10, 12)));
  await using run = runFirehose(server, {}, at("4"));
  await run.until(() => run.cursor === "12");
  deepEqual([seqsOf(run.events), cursors(server)], [range(5, 12), [4, 9]]);
  deepEqual(short(run.gaps), [["consumer_too_slow", 10, 10, "healed"]]);
  equal(run.source.stats.hosts.host!.tooSlow, 1);
});

Deno.test("F8: after ConsumerTooSlow the gap stays open where the server no longer has what was missed", async () => {
  const outdated = infoFrame("OutdatedCursor");
  await using server = await script(fail(commit(5), errorFrame("ConsumerTooSlow")), send(outdated, commit(50)));
  await using run = runFirehose(server, {}, at("4"));
  await run.until(() => run.cursor === "50");
  deepEqual(short(run.gaps), [["consumer_too_slow", 6, 49, "open"], ["outdated_cursor", 6, 49, "open"]]);
});

Deno.test("F9: OutdatedCursor is a gap up to the next frame; with --on-gap fail the cursor stays before it", async () => {
  await using log = await captureLog();
  const outdated = infoFrame("OutdatedCursor", "Requested cursor exceeded limit");
  await using server = await script(send(outdated, ...commits(500, 502)));
  await using run = runFirehose(server, {}, at("42"));
  await run.until(() => run.cursor === "502");
  deepEqual(short(run.gaps), [["outdated_cursor", 43, 499, "open"]]);
  ok(log.lines.some((line) => line.startsWith("warning") && /exceeded limit/.test(line)));
  await using strict = runFirehose(server, {}, { ...at("42"), onGap: "fail" });
  await rejects(strict.result, GapError);
  deepEqual([strict.cursor, strict.events, short(strict.gaps)], ["42", [], [["outdated_cursor", 43, 499, "open"]]]);
});

Deno.test("F12: a frame that is too large is passed at the second attempt, with a gap, and never buffered whole", async () => {
  const large = new Uint8Array(6 * 1024 * 1024);
  await using server = await script(
    send(commit(5), large),
    send(large),
    send(large), // at cursor + 1: the numbers have holes
    send(...commits(9, 10)),
  );
  await using run = runFirehose(server, {}, at("4"));
  await run.until(() => run.cursor === "10");
  deepEqual([cursors(server), seqsOf(run.events)], [[4, 5, 6, 7], [5, 9, 10]]);
  deepEqual(short(run.gaps), [["frame_size", 6, 8, "open"]]);
  ok(run.source.stats.bytesReceived < 10_000, "nothing of it was taken");
});

Deno.test("F37: what is asked for: nothing, the saved cursor, --cursor; a cursor that is none ends the run", async () => {
  const ask = async (options: FirehoseOptions, saved?: string) => {
    await using server = await script(send(...commits(100, 101)));
    await using run = runFirehose(server, options, saved === undefined ? {} : at(saved));
    await run.until(() => run.cursor === "101");
    return { asked: server.dials[0]!.url.search, gaps: short(run.gaps) };
  };
  deepEqual(await ask({}), { asked: "", gaps: [] });
  deepEqual(await ask({ begin: "oldest" }), { asked: "?cursor=0", gaps: [] });
  deepEqual(await ask({}, "42"), { asked: "?cursor=42", gaps: [] });
  deepEqual(await ask({ begin: "oldest" }, "42"), { asked: "?cursor=42", gaps: [] });
  deepEqual(await ask({ cursor: 7 }, "42"), { asked: "?cursor=7", gaps: [] });
  deepEqual(await ask({ cursor: 7 }, "abc"), { asked: "?cursor=7", gaps: [] });
  deepEqual(await ask({ cursor: "oldest" }, "42"), { asked: "?cursor=0", gaps: [] });
  deepEqual(await ask({ cursor: 99 }, "42"), { asked: "?cursor=99", gaps: [["cursor_moved", 43, 99, "accepted"]] });
  deepEqual(await ask({ cursor: "live" }, "42"), { asked: "", gaps: [["cursor_moved", 43, 99, "accepted"]] });
  await using server = await script(send(commit(1)));
  await using run = runFirehose(server, {}, at("abc"));
  await rejects(run.result, (e) => e instanceof ConfigError && /Cannot read cursor "abc" for host/.test(e.message));
  equal(server.dials.length, 0);
});

Deno.test("F38: the frame at the cursor comes again in silence; numbers that do not grow are left out and counted", async () => {
  await using server = await script(send(...[10, 11, 12, 12, 5, 13].map((seq) => commit(seq))));
  await using run = runFirehose(server, {}, at("10"));
  await run.until(() => run.cursor === "13");
  deepEqual([seqsOf(run.events), run.counters.duplicates, run.gaps], [[11, 12, 13], 1, []]);
  equal(run.source.stats.hosts.host!.regressions, 2);
});

Deno.test("F38: numbers that go back once, by a relay that does so", async () => {
  await using server = await startSimulate({ accounts: 20, goBack: { after: 3, by: 2 }, count: 20 });
  await using run = runFirehose({ host: server.relay.slice(5) }, {}, at("10"));
  await run.until(() => run.cursor === "20");
  equal(run.source.stats.hosts.host!.regressions, 2);
});

Deno.test("F39: a relay that begins anew ends the run with a gap, or is followed", async () => {
  await using server = await script(send(...commits(5, 7)));
  await using run = runFirehose(server, {}, at("1000"));
  await rejects(run.result, (e) => e instanceof ConfigError && /5 came after 1000.*--on-future-cursor/.test(e.message));
  deepEqual([short(run.gaps), run.cursor], [[["seq_regression", 1001, undefined, "open"]], "1000"]);
  await using live = runFirehose(server, { onFutureCursor: "live" }, at("1000"));
  await live.until(() => live.cursor === "7");
  deepEqual([seqsOf(live.events), short(live.gaps)], [[5, 6, 7], [["seq_regression", 1001, undefined, "open"]]]);
  await using again = await script(send(...commits(5, 7)));
  await using oldest = runFirehose(again, { onFutureCursor: "oldest" }, at("1000"));
  await oldest.until(() => oldest.cursor === "7");
  deepEqual([cursors(again), seqsOf(oldest.events)], [[1000, 0], [5, 6, 7]]);
});

Deno.test("F39: a hundred numbers in a row that do not grow are a relay that began anew in the middle", async () => {
  await using server = await script(send(...commits(1000, 1001), ...commits(1, 120)));
  await using run = runFirehose(server, { onFutureCursor: "live" }, at("999"));
  await run.until(() => run.cursor === "120");
  deepEqual(seqsOf(run.events), [1000, 1001, ...range(100, 120)]);
  deepEqual(short(run.gaps), [["seq_regression", 1002, undefined, "open"]]);
});

Deno.test("F40: silence after the handshake ends the connection; where pings are answered it stays", async () => {
  await using dead = await startSimulate({ silent: true, noPong: true });
  await using run = runFirehose({ host: dead.relay.slice(5) }, { deadAfterMs: 60 }, at("4"));
  await run.until(() => dead.counters.connections >= 2);
  await using quiet = await startSimulate({ pingsOnly: true, accounts: 20 });
  await using staying = runFirehose({ host: quiet.relay.slice(5) }, { deadAfterMs: 60 }, at("4"));
  await staying.until(() => staying.source.stats.connected);
  await new Promise((resolve) => setTimeout(resolve, 300)); // five times the limit
  deepEqual([quiet.counters.connections, staying.source.stats.connected], [1, true]);
  await using idle = runFirehose({ host: quiet.relay.slice(5) }, { deadAfterMs: 60, idleTimeout: 90 }, at("4"));
  await idle.until(() => idle.source.stats.connections >= 2);
});

Deno.test("F41: 429 and 503 wait as they say, in seconds or by date; 404 ends a run that never worked, not one that did", async () => {
  const waits: (number | undefined)[] = [];
  const backoff = (_: number, error: unknown) => (waits.push((error as TransientError).retryAfterMs), 5);
  const date = new Date(Date.now() + 3600_000).toUTCString();
  await using server = await script(
    (dial) => dial.refuse(429, "slow down", { "Retry-After": "7" }),
    (dial) => dial.refuse(503, "", { "Retry-After": date }),
    (dial) => dial.refuse(500),
    send(commit(5)),
  );
  await using run = runFirehose(server, { backoff }, at("4"));
  await run.until(() => run.cursor === "5");
  deepEqual([waits[0], waits[2]], [7000, undefined]);
  ok(Math.abs(waits[1]! - 3600_000) < 5000, `${waits[1]} ms`);
  for (const status of [400, 401, 403, 404, 405, 426, 501]) {
    await using first = await script((dial) => dial.refuse(status, "w".repeat(300)));
    await using refused = runFirehose(first);
    await rejects(
      refused.result,
      (e) => e instanceof ConfigError && new RegExp(`HTTP ${status}: w{200}$`).test(e.message),
    );
  }
  const later = await script((dial) => dial.accept(commit(5)).close(1001), (dial) => dial.refuse(404), send(commit(6)));
  await using _ = later;
  await using going = runFirehose(later, {}, at("4"));
  await going.until(() => going.cursor === "6");
  equal(later.dials.length, 3);
});

Deno.test("closes are followed by a back-off; five in a row against the protocol without data end the run", async () => {
  const close = (code: number) => (dial: Dial) => dial.accept().close(code);
  const waits: number[] = [];
  await using server = await script(...[1000, 1001, 1011, 1012, 1008].map(close), send(commit(5)));
  await using run = runFirehose(server, { backoff: (n) => (waits.push(n), 1) }, at("4"));
  await run.until(() => run.cursor === "5");
  deepEqual([waits, cursors(server)], [[0, 1, 2, 3, 4], [4, 4, 4, 4, 4, 4]]);
  await using broken = await script(close(1002));
  await using failing = runFirehose(broken);
  await rejects(failing.result, (e) => e instanceof FatalError && /closed with 1002, 5 times in a row/.test(e.message));
  equal(broken.dials.length, 5);
});

Deno.test("the back-off grows on although each connection delivers something", async () => {
  const waits: number[] = [];
  await using server = await startScripted({
    onDial: (dial) => dial.accept(commit((dial.cursor ?? 0) + 1)).close(1001),
  });
  await using run = runFirehose(server, { backoff: (n) => (waits.push(n), 1) }, at("0"));
  await run.until(() => Number(run.cursor) >= 5);
  deepEqual(waits.slice(0, 4), [0, 1, 2, 3]);
});

Deno.test("F43: --until ends behind the first frame with that number or a higher one, whatever its events are", async () => {
  await using server = await script(send(...[5, 8, 12, 13].map((seq) => commit(seq))));
  for (const options of [{}, { collections: ["a.b.c"] }]) {
    await using run = runFirehose(server, { until: 10, ...options }, at("4"));
    equal((await run.result).endedBy, "source");
    equal(run.cursor, "12");
  }
});

Deno.test("F43: where --until is at the position or before it, nobody is dialled, and the log says so", async () => {
  await using log = await captureLog();
  await using server = await script(send(commit(13)));
  for (
    const [saved, options] of [["12", { until: 10 }], ["10", { until: 10 }], ["3", { until: 10, cursor: 12 }]] as const
  ) {
    await using run = runFirehose(server, options, at(saved));
    equal((await run.result).endedBy, "source");
    deepEqual([run.cursor, run.events], [saved, []]);
  }
  equal(server.dials.length, 0);
  deepEqual(
    log.lines.filter((line) => /^info: Nothing is left of host up to 10: the position is /.test(line)).length,
    3,
  );
});

Deno.test("a fatal error leaves what came before it in the sink, and the cursor there", async () => {
  await using server = await script(fail(...commits(5, 7), errorFrame("FutureCursor")));
  await using run = runFirehose(server, {}, { ...at("4"), batchMs: 60_000 });
  await rejects(run.result, ConfigError);
  deepEqual([seqsOf(run.events), run.cursor], [[5, 6, 7], "7"]);
});

Deno.test("F44: while the sink stands still the server cannot send on, and after it cut us nothing is lost or doubled", async () => {
  const open = Promise.withResolvers<void>();
  const text = "x".repeat(10_000);
  const frames = range(1, 3000).map((seq) => commit(seq, [{ record: { text } }]));
  await using server = await startSimulate({ frames, writeLimitMs: 300 });
  const how = { ...at("0"), gate: () => open.promise, maxInFlight: 100, batchSize: 50 };
  await using run = runFirehose({ host: server.relay.slice(5) }, {}, how);
  await run.until(() => server.counters.connections === 1 && server.counters.open === 0);
  ok(server.counters.events < 2000, `${server.counters.events} frames were sent to a reader that stood still`);
  open.resolve();
  await run.until(() => run.cursor === "3000");
  deepEqual([seqsOf(run.events), run.gaps, run.counters.duplicates], [range(1, 3000), [], 0]);
  match(String(run.source.stats.connections), /^[2-9]$/);
});
