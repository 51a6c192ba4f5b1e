import assert from "node:assert/strict";
import { until } from "../support/program.ts";
import { startReceiver } from "../support/receiver.ts";
import { inFolder } from "../support/temp.ts";
import { eventOf, eventsFrom, openWebhook } from "../support/webhook_run.ts";

const SECOND = 1000, MINUTE = 60_000;

Deno.test("W14: an endpoint that is down: the breaker opens, one request a wait, all delivered in order afterwards", () =>
  inFolder(async (folder) => {
    let down = true;
    await using receiver = await startReceiver(() => down ? 502 : 200);
    await using run = await openWebhook(folder, receiver.url, { retrySchedule: [SECOND], random: () => 1 });
    await run.write(Array.from({ length: 500 }, (_, i) => eventOf(i, `a${i % 50}`)));
    await until(() => run.sink.figures().breaker === "open" && run.sink.figures().in_flight === 0, "it to open");
    const atOnce = receiver.requests.length;
    assert(atOnce >= 5 && atOnce <= 5 + 8, `${atOnce} requests`);
    for (const [i, wait] of [1, 2, 4, 8, 16, 32].entries()) {
      run.ahead += wait * SECOND + 100;
      await until(() => receiver.requests.length === atOnce + i + 1, `probe ${i}`);
      await until(() => run.sink.figures().in_flight === 0, "its answer");
      assert.equal(run.sink.figures().breaker, "open");
    }
    down = false;
    run.ahead += 10 * MINUTE;
    await run.empty();
    assert.deepEqual([receiver.taken.length, run.letters.length, run.sink.figures().breaker], [500, 0, "closed"]);
    for (let account = 0; account < 50; account++) {
      const own = receiver.taken.filter(({ body }) => body.includes(`"did:plc:a${account}"`)).map(({ body }) => body);
      assert.deepEqual(own, own.toSorted((a, b) => JSON.parse(a).time_us - JSON.parse(b).time_us));
    }
  }));

Deno.test("W15: a queue that is full takes nothing more, loses nothing, and goes on", () =>
  inFolder(async (folder) => {
    let down = true;
    await using receiver = await startReceiver(() => down ? 503 : 200);
    const maxBytes = 2 ** 20;
    await using run = await openWebhook(folder, receiver.url, { maxBytes, retrySchedule: [SECOND] });
    let written = 0;
    const writing = (async () => {
      for (; written < 10_000; written += 500) await run.write(eventsFrom(written, 500));
    })();
    await until(() => run.sink.figures().backpressure === "bytes", "it to be full");
    const at = written;
    await new Promise((resolve) => setTimeout(resolve, 600)); // it looks for room each quarter of a second
    assert.equal(written, at);
    assert(run.sink.figures().queue_bytes < 2 * maxBytes, `${run.sink.figures().queue_bytes} bytes`);
    down = false;
    run.ahead = 10 * MINUTE;
    await writing;
    await run.empty();
    assert.equal(new Set(receiver.taken.map(({ id }) => id)).size, 10_000);
    assert.deepEqual([run.letters.length, run.sink.figures().backpressure], [0, null]);
  }));

Deno.test("more than fits into memory is read from the file in order", () =>
  inFolder(async (folder) => {
    {
      await using run = await openWebhook(folder, "http://127.0.0.1:9/", { onlyQueue: true });
      for (let i = 0; i < 25_000; i += 5000) await run.write(eventsFrom(i, 5000));
      assert.equal(run.sink.figures().waiting, 25_000);
    }
    await using receiver = await startReceiver();
    await using run = await openWebhook(folder, receiver.url, { batch: 100, order: "none", concurrency: 1 });
    await run.empty();
    const numbers = receiver.taken.flatMap(({ body }) =>
      JSON.parse(body).map((each: { time_us: number }) => each.time_us)
    );
    assert.equal(numbers.length, 25_000);
    assert.deepEqual(numbers, numbers.toSorted((a: number, b: number) => a - b));
  }));

Deno.test("events that another process puts into the queue are noticed", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver();
    await using run = await openWebhook(folder, receiver.url, { lookMs: 100 });
    await run.write([eventOf(1)]);
    await run.empty();
    {
      await using other = await openWebhook(folder, receiver.url, { onlyQueue: true });
      await other.write(eventsFrom(2, 3));
    }
    await run.write([eventOf(9)]);
    await until(() => receiver.taken.length === 5, "all of them");
    assert.equal(run.sink.figures().waiting, 0);
  }));

Deno.test("W46: once stopped no request begins, those under way end, and the rest goes first the next time", () =>
  inFolder(async (folder) => {
    const stop = new AbortController();
    const gate = Promise.withResolvers<void>();
    await using receiver = await startReceiver(async () => {
      await gate.promise;
      return 200;
    });
    {
      await using run = await openWebhook(folder, receiver.url, { stop: stop.signal });
      await run.write(eventsFrom(0, 1000));
      await until(() => receiver.requests.length === 8, "requests");
      stop.abort();
      const draining = run.sink.drain();
      gate.resolve();
      await draining;
    }
    assert.deepEqual([receiver.requests.length, receiver.taken.length], [8, 8]);
    await using run = await openWebhook(folder, receiver.url);
    await run.write([eventOf(5000)]);
    await run.empty();
    const ids = receiver.taken.map(({ id }) => id);
    assert.deepEqual([ids.length, new Set(ids).size], [1001, 1001]);
  }));

Deno.test("W45: draining ends with what waits where, or when all is delivered", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 503);
    {
      await using run = await openWebhook(folder, receiver.url, { drainTimeoutMs: 200, retrySchedule: [MINUTE] });
      await run.write(eventsFrom(0, 3));
      await assert.rejects(
        run.sink.drain(),
        /^FatalError: Cannot deliver everything in 0\.2 s: 3 events wait in .*queue\.db$/,
      );
    }
    receiver.script = () => 200;
    await using run = await openWebhook(folder, receiver.url, { retrySchedule: [MINUTE] });
    run.ahead = 5 * MINUTE;
    await run.sink.drain();
    assert.equal(receiver.taken.length, 3);
  }));

Deno.test("W44: secrets are in nothing that the sink says", () =>
  inFolder(async (folder) => {
    const secrets = [`whsec_${btoa("marker-of-the-secret-key!!!!!!!!")}`];
    const [bearerToken, key] = ["marker-token", "marker-query"];
    await using receiver = await startReceiver(({ headers }, n) => ({
      status: n === 0 ? 302 : 400,
      headers: { Location: `/other?key=${key}` },
      body: `${headers.authorization} ${secrets[0]} ${key} ${headers["x-key"]}`,
    }));
    await using run = await openWebhook(folder, `${receiver.url}?key=${key}`, {
      bearerToken,
      secrets,
      headers: ["X-Key: marker-header"],
    });
    await run.write([eventOf(1)]);
    await run.empty();
    assert.equal(run.letters.length, 1);
    const file = new TextDecoder().decode(Deno.readFileSync(`${folder}/queue.db`));
    for (
      const said of [
        JSON.stringify(run.sink.figures()),
        JSON.stringify(run.letters),
        run.letters[0]!.error.message,
        file,
      ]
    ) {
      assert.doesNotMatch(said, /marker-|whsec_/);
    }
  }));

Deno.test("what was delivered is written down within a second, and space is reused", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver();
    const size = () => Deno.statSync(`${folder}/queue.db`).size;
    let first = 0;
    for (let i = 0; i < 5; i++) {
      await using run = await openWebhook(folder, receiver.url, { batch: 100 });
      await run.write(eventsFrom(i * 2000, 2000));
      await run.empty();
      await run.sink[Symbol.asyncDispose]();
      first ||= size();
    }
    assert(size() <= 1.5 * first, `${size()} bytes after ${first}`);
    assert.equal(receiver.taken.length, 100);
  }));

Deno.test("a clock that was far ahead puts nothing off", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 500);
    {
      await using run = await openWebhook(folder, receiver.url, { retrySchedule: [MINUTE] });
      run.ahead = 1000 * 60 * MINUTE;
      await run.write(eventsFrom(0, 3));
      await until(() => run.sink.figures().parked_accounts === 3, "them to fail");
      await run.write(eventsFrom(3, 3));
    }
    receiver.script = () => 200;
    await using run = await openWebhook(folder, receiver.url, { retrySchedule: [MINUTE] });
    run.ahead = 61 * MINUTE;
    await run.empty();
    assert.equal(receiver.taken.length, 6);
  }));
