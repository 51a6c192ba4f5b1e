import assert from "node:assert/strict";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { Link } from "../../lib/pipeline/link.ts";
import { DEAD_REASON_EVENTS } from "../support/ops_events.ts";
import { ask, askJson, BEARER, testOps, TOKEN } from "../support/ops.ts";
import { inFolder } from "../support/temp.ts";

/** The status line and body that the bytes of a request are answered with. */
async function raw(port: number, head: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(`${head}\r\nConnection: close\r\n\r\n`));
  return await new Response(conn.readable).text();
}

Deno.test("the list of routes names every one, as the Worker did", async () => {
  await using ops = await testOps();
  const { message, endpoints } = await askJson(`${ops.url}/`);
  assert.match(message, /^bskyingest \d/);
  assert.deepEqual(Object.keys(endpoints), [
    "/stats",
    "/stats/html",
    "/stats/events",
    "/status",
    "/health",
    "/healthz",
    "/readyz",
    "/metrics",
    "POST /reset",
    "POST /reconnect",
  ]);
});

Deno.test("W24: /stats of a fresh run: the Worker's five members first, in its order, indented by two spaces", async () => {
  await using ops = await testOps();
  const { text, headers } = await ask(`${ops.url}/stats`);
  const stats = JSON.parse(text);
  assert.deepEqual(Object.keys(stats).slice(0, 5), [
    "cursor",
    "eventCounts",
    "totalEvents",
    "totalReceived",
    "lastEventTime",
  ]);
  const { cursor, eventCounts, totalEvents, totalReceived, lastEventTime } = stats;
  assert.deepEqual({ cursor, eventCounts, totalEvents, totalReceived }, {
    cursor: 0,
    eventCounts: {},
    totalEvents: 0,
    totalReceived: 0,
  });
  assert.equal(new Date(lastEventTime).toISOString(), lastEventTime);
  assert.match(text, /^\{\n {2}"cursor": 0,/);
  assert.match(headers.get("content-type")!, /^application\/json/);
});

Deno.test("W25, W26: figures of a run, and of the next one with the same state key", () =>
  inFolder(async (stateFolder) => {
    const counters = createCounters();
    counters.received = 103;
    counters.collections.set("app.bsky.feed.post", 93);
    counters.lastTimeUs = 1783175888000000;
    {
      await using ops = await testOps({}, { counters, stateFolder });
      const { totalEvents, totalReceived, cursor } = await askJson(`${ops.url}/stats`);
      assert.deepEqual([totalEvents, totalReceived, cursor], [93, 103, 1783175888000000]);
      const { text } = await ask(`${ops.url}/stats/html`);
      assert.match(text, /90\.3%/);
    }
    await using next = await testOps({}, { stateFolder });
    const stats = await askJson(`${next.url}/stats`);
    assert.deepEqual([stats.totalEvents, stats.totalReceived, stats.cursor], [93, 103, 1783175888000000]);
    next.counters.received = 2;
    next.counters.collections.set("app.bsky.feed.like", 1);
    const grown = await askJson(`${next.url}/stats`);
    assert.deepEqual([grown.totalEvents, grown.totalReceived], [94, 105]);
  }));

Deno.test("W25: with nothing received the page says 0% and N/A", async () => {
  await using ops = await testOps();
  const { text, headers } = await ask(`${ops.url}/stats/html`);
  assert.match(text, /0%/);
  assert.match(text, /N\/A/);
  assert.match(headers.get("content-security-policy")!, /^default-src 'none'; script-src 'self';/);
});

Deno.test("W27: connections as of a WebSocket: none before the first dial, open, closed", async () => {
  const link = new Link("jetstream.example");
  const stats = { links: [link], connections: 0 };
  await using ops = await testOps({}, { stats });
  const status = () => askJson(`${ops.url}/status`);
  const before = await status();
  assert.deepEqual([before.connected, "readyState" in before, before.sources[0].since], [false, false, null]);
  link.dial("v2");
  assert.equal((await status()).readyState, 0);
  link.open();
  const open = await status();
  assert.deepEqual([open.connected, open.readyState, open.sources[0].wire], [true, 1, "v2"]);
  link.end("closed");
  link.fail("Cannot read from jetstream.example: closed");
  const closed = await status();
  assert.deepEqual([closed.connected, closed.readyState], [false, 3]);
  assert.equal(closed.sources[0].last_error, "Cannot read from jetstream.example: closed");
  link.dial("v2");
  assert.deepEqual([(await status()).connected, (await status()).readyState], [false, 0]);
});

Deno.test("W27: of several hosts the lowest-standing one counts", async () => {
  const [a, b] = [new Link("a"), new Link("b")];
  for (const link of [a, b]) link.dial();
  a.open();
  await using ops = await testOps({}, { stats: { links: [a, b] } });
  const first = await askJson(`${ops.url}/status`);
  assert.deepEqual([first.connected, first.readyState], [false, 0]);
  b.open();
  const second = await askJson(`${ops.url}/status`);
  assert.deepEqual([second.connected, second.readyState], [true, 1]);
});

Deno.test("W28: a reset sets figures, errors and dead letters to zero and keeps the cursor", async () => {
  await using ops = await testOps({ token: TOKEN });
  ops.counters.received = ops.counters.written = 5;
  ops.counters.collections.set("a", 5);
  ops.counters.lastTimeUs = 1783175888000000;
  await ops.run.watchDeadLetter(() => Promise.resolve(), () => false)(DEAD_REASON_EVENTS, {
    signal: new AbortController().signal,
  });
  const answer = await askJson(`${ops.url}/reset`, { method: "POST", headers: BEARER });
  assert.deepEqual(answer, { message: "Stats reset successfully" });
  const { totalEvents, totalReceived, cursor, eventCounts, details } = await askJson(`${ops.url}/stats`, {
    headers: BEARER,
  });
  assert.deepEqual([totalEvents, totalReceived, eventCounts, details.written], [0, 0, {}, 0]);
  assert.equal(cursor, 1783175888000000);
  const { text } = await ask(`${ops.url}/metrics`, { headers: BEARER });
  assert.match(text, /^bskyingest_events_written_total\{sink="null"\} 5$/m, "metrics are kept");
});

Deno.test("W28: bytes and reconnects begin anew as well", async () => {
  const stats = { connections: 3, bytesReceived: 1000 };
  await using ops = await testOps({ token: TOKEN }, { stats });
  await askJson(`${ops.url}/reset`, { method: "POST", headers: BEARER });
  Object.assign(stats, { connections: 4, bytesReceived: 1500 });
  const { details } = await askJson(`${ops.url}/stats`, { headers: BEARER });
  assert.deepEqual([details.reconnects, details.bytes_received], [1, 500]);
});

Deno.test("W28, W29: what keeps no connection can neither forget its position nor reconnect: 409", async () => {
  await using ops = await testOps({ token: TOKEN });
  for (const path of ["/reset?cursor=true", "/reconnect"]) {
    const { status, text } = await ask(ops.url + path, { method: "POST", headers: BEARER });
    assert.equal(status, 409, text);
    assert.match(JSON.parse(text).message, /^Cannot .*: no connection is kept open$/);
  }
});

Deno.test("W29: twenty calls at once reconnect once", async () => {
  await using ops = await testOps({ token: TOKEN });
  const calls: boolean[] = [];
  ops.run.control = { reconnect: ({ next }) => void calls.push(next), forgetPosition: () => Promise.resolve() };
  const post = () => askJson(`${ops.url}/reconnect?host=next`, { method: "POST", headers: BEARER });
  const answers = await Promise.all(Array.from({ length: 20 }, post));
  assert.deepEqual(new Set(answers.map(({ message }) => message)), new Set(["Reconnection initiated"]));
  assert.deepEqual(calls, [true]);
});

Deno.test("W30: wrong methods, unknown paths, paths that only look right, HEAD", async () => {
  await using ops = await testOps();
  const wrong = await ask(`${ops.url}/reset`);
  assert.deepEqual([wrong.status, wrong.headers.get("allow"), JSON.parse(wrong.text).error], [
    405,
    "POST",
    "MethodNotAllowed",
  ]);
  const deleted = await ask(`${ops.url}/stats`, { method: "DELETE" });
  assert.deepEqual([deleted.status, deleted.headers.get("allow")], [405, "GET, HEAD"]);
  const unknown = await ask(`${ops.url}/nope`);
  assert.deepEqual([unknown.status, JSON.parse(unknown.text)], [404, {
    error: "NotFound",
    message: "There is nothing at /nope",
  }]);
  for (const target of ["/stats/../x", "/stats/../stats", "//stats", "/STATS", "/stats/", "http://localhost/stats"]) {
    assert.match(await raw(ops.port, `GET ${target} HTTP/1.1\r\nHost: localhost`), /^HTTP\/1\.1 404 /, target);
  }
  assert.match(await raw(ops.port, "GET /stats?x=y HTTP/1.1\r\nHost: localhost"), /^HTTP\/1\.1 200 /);
  const head = await ask(`${ops.url}/stats`, { method: "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
});

Deno.test("W31: POST needs the token as Bearer; without a configured one nobody may", async () => {
  await using ops = await testOps({ token: TOKEN });
  const post = async (headers: HeadersInit = {}) => (await ask(`${ops.url}/reset`, { method: "POST", headers })).status;
  const basic = { authorization: `Basic ${btoa(`x:${TOKEN}`)}` };
  assert.deepEqual([await post(), await post({ authorization: "Bearer no" }), await post(basic)], [401, 401, 401]);
  assert.equal(await post(BEARER), 200);
  await using open = await testOps();
  assert.equal((await ask(`${open.url}/reset`, { method: "POST", headers: BEARER })).status, 403);
});

Deno.test("W33: hosts that are not ours, hosts that are named, pages of others that post", async () => {
  await using ops = await testOps({ token: TOKEN, hosts: ["Ops.Example"] });
  const status = async (host: string, method = "GET", more = "") => {
    const head = `${method} /status HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${TOKEN}${more}`;
    return Number((await raw(ops.port, head)).split(" ")[1]);
  };
  assert.deepEqual([await status("evil.example"), await status("10.1.2.3"), await status("ops.example")], [
    403,
    200,
    200,
  ]);
  assert.equal(await status("localhost", "POST", "\r\nOrigin: http://evil.example"), 403);
  assert.match(await raw(ops.port, "GET /status HTTP/1.1\r\nHost: evil.example"), /"error": "HostNotAllowed"/);
});

Deno.test("/health names the reasons; it is unhealthy while a failure is wound up", async () => {
  await using ops = await testOps();
  const healthy = await askJson(`${ops.url}/health`);
  assert.deepEqual([healthy.status, healthy.worker, healthy.reasons], ["healthy", "bskyingest", []]);
  ops.counters.failedSaves = 1;
  const degraded = await askJson(`${ops.url}/health`);
  assert.deepEqual([degraded.status, degraded.reasons], ["degraded", ["the last save of the position failed"]]);
  assert.deepEqual(await ask(`${ops.url}/healthz`).then(({ status, text }) => [status, text]), [200, "ok"]);
  ops.run.onFailure(new Error("Oops"));
  const failing = await ask(`${ops.url}/healthz`);
  assert.deepEqual([failing.status, failing.text], [503, "ending after a failure: Oops"]);
  const unhealthy = await ask(`${ops.url}/health`);
  assert.deepEqual([unhealthy.status, JSON.parse(unhealthy.text).status], [503, "unhealthy"]);
});

Deno.test("W41: /readyz gives a reason a line", async () => {
  await using ops = await testOps();
  assert.deepEqual(await ask(`${ops.url}/readyz`).then(({ status, text }) => [status, text]), [200, "ready"]);
  ops.counters.failedSaves = 1;
  ops.run.draining();
  const { status, text } = await ask(`${ops.url}/readyz`);
  assert.equal(status, 503);
  assert.deepEqual(text.split("\n"), ["draining: nothing more is read", "the last save of the position failed"]);
});

Deno.test("W39: with 25 listeners 20 are served and 5 get 503; the streams end with the run", async () => {
  await using ops = await testOps();
  const answers = await Promise.all(Array.from({ length: 25 }, () => fetch(`${ops.url}/stats/events`)));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...Array(20).fill(200), ...Array(5).fill(503)]);
  ops.run.draining();
  for (const answer of answers) {
    const text = await answer.text();
    if (answer.status === 200) assert.match(text, /^retry: 3000\n\nevent: snapshot\ndata: \{"stats":/);
  }
});

Deno.test("W39: a listener that never reads costs nothing, others get their snapshots", async () => {
  await using ops = await testOps();
  using idle = await Deno.connect({ hostname: "127.0.0.1", port: ops.port });
  await idle.write(new TextEncoder().encode("GET /stats/events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  const answer = await fetch(`${ops.url}/stats/events`);
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split("event: snapshot").length < 4) text += (await reader.read()).value;
  await reader.cancel();
  assert.match(text, /"rates":\[/);
});
