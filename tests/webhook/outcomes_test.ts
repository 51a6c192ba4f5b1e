import assert from "node:assert/strict";
import { eventId, toJson } from "../../lib/atproto/event.ts";
import { ConfigError, DeadRatioError, FatalError } from "../../lib/pipeline/errors.ts";
import { until } from "../support/program.ts";
import { type Script, startReceiver } from "../support/receiver.ts";
import { inFolder } from "../support/temp.ts";
import { eventOf, eventsFrom, openWebhook } from "../support/webhook_run.ts";

const inTurn = (...replies: Awaited<ReturnType<Script>>[]): Script => (_, n) => replies[n] ?? 200;
const SECOND = 1000, MINUTE = 60_000;

Deno.test("W4: 500 three times, then 200: one id, a timestamp an attempt, delivered", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver();
    await using run = await openWebhook(folder, receiver.url, { maxAttempts: 4 });
    receiver.script = (_, n) => {
      run.ahead += 10 * SECOND;
      return n < 3 ? 500 : 200;
    };
    await run.write([eventOf(1)]);
    await run.empty();
    const { requests } = receiver;
    assert.equal(requests.length, 4);
    assert.deepEqual([...new Set(requests.map(({ id }) => id))], [`msg_${eventId(eventOf(1))}`]);
    assert(requests.every(({ body }) => body === toJson(eventOf(1))));
    const times = requests.map(({ headers }) => Number(headers["webhook-timestamp"]));
    assert(times[3]! - times[0]! >= 30, times.join());
    const { delivered, dead, requests: codes } = run.sink.figures();
    assert.deepEqual([delivered, dead, codes], [1, 0, { 200: 1, 500: 3 }]);
  }));

Deno.test("W5: 500 four times is dead after four, 400 and 404 after one", () =>
  inFolder(async (folder) => {
    const events = [eventOf(1), eventOf(2), eventOf(3)];
    const status = [500, 400, 404];
    await using receiver = await startReceiver(({ id }) => ({
      status: status[events.findIndex((event) => id === `msg_${eventId(event)}`)]!,
      body: "no\u0000 thanks",
    }));
    await using run = await openWebhook(folder, `${receiver.url}?key=a`, { maxAttempts: 4 });
    await run.write(events);
    await run.empty();
    assert.equal(receiver.requests.length, 6);
    const letters = run.letters.toSorted((a, b) => a.error.reason < b.error.reason ? 1 : -1);
    assert.deepEqual(letters.map(({ error }) => error.reason), ["status_404", "status_400", "exhausted"]);
    const { detail } = letters[2]!;
    assert.deepEqual({ ...detail, first_attempt_at: "" }, {
      event_id: eventId(events[0]!),
      event: toJson(events[0]!),
      webhook_id: `msg_${eventId(events[0]!)}`,
      status: 500,
      response: "no  thanks",
      attempts: 4,
      first_attempt_at: "",
      endpoint: receiver.url,
    });
    assert.match(String(detail!.first_attempt_at), /^\d{4}-.*Z$/);
    assert.deepEqual(run.sink.totals(), { delivered: 0, dead: 3, waiting: 0 });
  }));

for (const status of [408, 425, 429, 503, "reset", 302] as const) {
  Deno.test(`W5: ${status} is repeated and not counted`, () =>
    inFolder(async (folder) => {
      await using receiver = await startReceiver(inTurn(status, status));
      await using run = await openWebhook(folder, receiver.url, { maxAttempts: 1 });
      await run.write([eventOf(1)]);
      await run.empty();
      assert.deepEqual([receiver.requests.length, run.letters.length], [3, 0]);
    }));
}

Deno.test("W6: 429 with Retry-After holds everything back, 500 with it the event", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver((_, n) =>
      n === 0 ? { status: 429, headers: { "Retry-After": "3600" } } : 200
    );
    await using run = await openWebhook(folder, receiver.url);
    await run.write([eventOf(1)]);
    await until(() => run.sink.figures().requests[429] === 1, "the answer");
    await run.write([eventOf(2)]);
    run.ahead = 3590 * SECOND;
    await new Promise((resolve) => setTimeout(resolve, 1200)); // it looks at the clock each second
    assert.equal(receiver.requests.length, 1);
    run.ahead = 3601 * SECOND;
    await run.empty();
    assert.equal(receiver.requests.length, 3);

    receiver.script = (_, n) => n === 3 ? { status: 500, headers: { "Retry-After": "60" } } : 200;
    await run.write([eventOf(3, "a")]);
    await until(() => run.sink.figures().parked_accounts === 1, "the answer");
    await run.write([eventOf(4, "a"), eventOf(5, "b")]);
    await until(() => run.sink.figures().delivered === 3, "the other account");
    assert.equal(run.sink.figures().waiting, 2);
    run.ahead += MINUTE;
    await run.empty();
    assert.equal(receiver.requests.length, 7);
  }));

Deno.test("W7: after 410 nothing is sent, also after a restart, until it is lifted", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 410);
    {
      await using run = await openWebhook(folder, receiver.url, { concurrency: 1 });
      await run.write(eventsFrom(0, 3));
      await until(() => run.sink.figures().state === "disabled", "410");
      run.ahead = 24 * 60 * MINUTE;
      await run.write(eventsFrom(3, 2));
    }
    {
      await using run = await openWebhook(folder, receiver.url);
      const { state, reason, waiting } = run.sink.figures();
      assert.deepEqual([state, reason, waiting, receiver.requests.length], ["disabled", "gone", 5, 1]);
    }
    receiver.script = () => 200;
    await using run = await openWebhook(folder, receiver.url, { enable: true });
    await run.empty();
    assert.deepEqual([receiver.taken.length, run.sink.figures().state], [5, "active"]);
  }));

Deno.test("W8: 401 at the first request ends the run with a fault of the options; nothing is lost", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 401);
    {
      await using run = await openWebhook(folder, receiver.url);
      await run.write([eventOf(1)]);
      await until(() => run.sink.failure.aborted, "the failure");
      assert(run.sink.failure.reason instanceof ConfigError);
      assert.match(run.sink.failure.reason.message, /answered 401/);
    }
    receiver.script = () => 200;
    await using run = await openWebhook(folder, receiver.url);
    await run.empty();
    assert.equal(receiver.taken.length, 1);
  }));

Deno.test("W8: 401 after a success disables; one event is tried after five minutes, and enables", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver((_, n) => n === 0 || n >= 3 ? 200 : 401);
    await using run = await openWebhook(folder, receiver.url, { concurrency: 1 });
    await run.write([eventOf(1)]);
    await run.empty();
    await run.write(eventsFrom(2, 5));
    await until(() => run.sink.figures().state === "disabled", "401");
    assert.deepEqual([run.sink.figures().reason, receiver.requests.length], ["refused", 2]);
    run.ahead = 5 * MINUTE + SECOND;
    await until(() => receiver.requests.length === 3, "the first try");
    await until(() => run.sink.figures().in_flight === 0, "its answer");
    assert.equal(run.sink.figures().state, "disabled");
    run.ahead = 10 * MINUTE + 2 * SECOND;
    await run.empty();
    assert.deepEqual([run.sink.figures().state, receiver.taken.length, run.letters.length], ["active", 6, 0]);
  }));

Deno.test("W9: 20 rejections in a row disable; the 20 are dead, the others wait", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 422);
    await using run = await openWebhook(folder, receiver.url);
    await run.write(eventsFrom(0, 100));
    await until(() => run.sink.figures().state === "disabled" && run.sink.figures().in_flight === 0, "the guard");
    assert.deepEqual([run.letters.length, run.sink.figures().waiting], [20, 80]);
    assert(run.letters.every(({ error }) => error.reason === "status_422"));
    receiver.script = () => 200;
    run.ahead = 6 * MINUTE;
    await run.empty();
    assert.equal(receiver.taken.length, 80);
  }));

Deno.test("a run that has an end fails where the endpoint is disabled, and says how many events wait where", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 410);
    for (const _ of ["makes it so", "finds it so"]) {
      await using run = await openWebhook(folder, receiver.url, { finite: true });
      await run.write(eventsFrom(0, 3)).catch(() => {});
      await until(() => run.sink.failure.aborted, "the failure");
      assert(run.sink.failure.reason instanceof FatalError);
      assert.match(run.sink.failure.reason.message, /is disabled, \d events wait in .*queue\.db$/);
    }
  }));

Deno.test("more dead events than --max-dead-ratio end the run, from the 100th on", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver((_, n) => n % 10 === 0 ? 400 : 200);
    await using run = await openWebhook(folder, receiver.url, { maxDeadRatio: 0.05, concurrency: 1 });
    await run.write(eventsFrom(0, 99));
    await run.empty();
    assert.equal(run.sink.failure.aborted, false);
    await run.write(eventsFrom(99, 50));
    await until(() => run.sink.failure.aborted, "the failure");
    assert(run.sink.failure.reason instanceof DeadRatioError);
  }));

Deno.test("W10: an array that is rejected is halved until the guilty event is alone", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(({ body }) => body.includes(`"r42"`) ? 400 : 200);
    await using run = await openWebhook(folder, receiver.url, { batch: 10 });
    await run.write(eventsFrom(0, 100));
    await run.empty();
    assert.deepEqual(run.letters.map(({ detail }) => detail!.event_id), [eventId(eventOf(42))]);
    const taken = receiver.taken.flatMap(({ body }) => JSON.parse(body));
    assert.equal(taken.length, 99);
    assert.equal(new Set(taken.map(({ did }) => did)).size, 99);
    assert(receiver.requests.every(({ body }) => body.startsWith("[{") && body.endsWith("}]")));
  }));
