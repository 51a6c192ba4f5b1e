import assert from "node:assert/strict";
import { eventId } from "../../lib/atproto/event.ts";
import { until } from "../support/program.ts";
import { eventsOf, type Received, type Receiver, startReceiver } from "../support/receiver.ts";
import { inFolder } from "../support/temp.ts";
import { eventOf, eventsFrom, openWebhook } from "../support/webhook_run.ts";

const MINUTE = 60_000;
const rkeys = (requests: readonly Received[], account?: string) =>
  requests.flatMap(eventsOf).filter(({ did }) => account === undefined || did === `did:plc:${account}`)
    .map(({ commit }) => commit.rkey);

/** Each account's events were taken in the order of their numbers, each once. */
function assertOrder({ taken }: Receiver, count: number): void {
  const events = taken.flatMap(eventsOf);
  assert.equal(events.length, count);
  for (const [did, own] of Map.groupBy(events, ({ did }) => did)) {
    const numbers = own.map(({ commit }) => Number(String(commit.rkey).slice(1)));
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), did);
    assert.equal(new Set(numbers).size, numbers.length, did);
  }
}

for (const batch of [1, 7]) {
  Deno.test(`events of an account come in order, others side by side, ${batch} a request`, () =>
    inFolder(async (folder) => {
      await using receiver = await startReceiver(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return Math.random() < 0.1 ? 503 : 200;
      });
      await using run = await openWebhook(folder, receiver.url, { batch, retrySchedule: [1], concurrency: 4 });
      for (let i = 0; i < 300; i += 60) {
        await run.write(Array.from({ length: 60 }, (_, j) => eventOf(i + j, `a${(i + j) % 37}`)));
      }
      await run.empty();
      assertOrder(receiver, 300);
      assert.deepEqual([receiver.busy.most, run.letters.length], [4, 0]);
    }));

  Deno.test(`W16: one account's event fails, the others are delivered meanwhile, ${batch} a request`, () =>
    inFolder(async (folder) => {
      let failing = true;
      await using receiver = await startReceiver(({ body }) => failing && body.includes(`"r0"`) ? 500 : 200);
      await using run = await openWebhook(folder, receiver.url, { batch, retrySchedule: [MINUTE], maxAttempts: 9 });
      await run.write([eventOf(0, "bad")]);
      await until(() => run.sink.figures().parked_accounts === 1, "it to be parked");
      await run.write(Array.from({ length: 50 }, (_, i) => eventOf(i + 1, i % 5 === 0 ? "bad" : `a${i}`)));
      await until(() => run.sink.figures().delivered === 40, "the others");
      assert.deepEqual(rkeys(receiver.taken, "bad"), []);
      failing = false;
      run.ahead = 2 * MINUTE;
      await run.empty();
      assertOrder(receiver, 51);
    }));
}

Deno.test("an array's other accounts do not wait for the one that fails later", () =>
  inFolder(async (folder) => {
    const hold = Promise.withResolvers<void>();
    await using receiver = await startReceiver(async (_, n) => {
      if (n > 0) return 200;
      await hold.promise;
      return 500;
    });
    await using run = await openWebhook(folder, receiver.url, { batch: 10, retrySchedule: [MINUTE] });
    await run.write([eventOf(0, "bad")]);
    await until(() => receiver.requests.length === 1, "the first request");
    // It is in the queue already when the first one fails.
    await run.write([eventOf(1, "bad"), eventOf(2, "b"), eventOf(3, "bad"), eventOf(4, "c")]);
    hold.resolve();
    await until(() => run.sink.figures().delivered === 2, "the others");
    assert.deepEqual(rkeys(receiver.taken), ["r2", "r4"]);
    run.ahead = 2 * MINUTE;
    await run.empty();
    assert.deepEqual(rkeys(receiver.taken), ["r2", "r4", "r0", "r1", "r3"]);
  }));

Deno.test("W17: a create that fails twice comes before its delete; without order it may come behind", () =>
  inFolder(async (folder) => {
    for (const order of ["account", "none"] as const) {
      const failures = { left: 2 };
      await using receiver = await startReceiver(({ body }) =>
        body.includes("create") && failures.left-- > 0 ? 500 : 200
      );
      await using run = await openWebhook(`${folder}`, receiver.url, { order, file: `${folder}/${order}.db` });
      await run.write([eventOf(1, "a"), eventOf(1, "a", "delete")]);
      await run.empty();
      const operations = receiver.taken.flatMap(eventsOf).map(({ commit }) => commit.operation);
      assert.deepEqual(operations, order === "account" ? ["create", "delete"] : ["delete", "create"]);
    }
  }));

Deno.test("W11: an array keeps its members and its id over a restart", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 503);
    const events = Array.from({ length: 25 }, (_, i) => eventOf(i, `a${i % 9}`));
    const sent = () => new Map(receiver.requests.map(({ id, body }) => [id, body]));
    {
      await using run = await openWebhook(folder, receiver.url, { batch: 10, retrySchedule: [1] });
      await run.write(events);
      await until(() => receiver.requests.length >= 3, "attempts");
    }
    const before = sent();
    receiver.script = () => 200;
    await using run = await openWebhook(folder, receiver.url, { batch: 10 });
    run.ahead = 10 * MINUTE;
    await run.write([eventOf(25, "a1")]);
    await run.empty();
    for (const [id, body] of before) assert.equal(receiver.taken.find((each) => each.id === id)?.body, body);
    assertOrder(receiver, 26);
  }));

Deno.test("attempts, waits and the breaker survive a restart", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 500);
    {
      await using run = await openWebhook(folder, receiver.url, { retrySchedule: [MINUTE], maxAttempts: 2 });
      await run.write(eventsFrom(0, 2));
      await until(() => run.sink.figures().parked_accounts === 2, "both to fail");
    }
    await using run = await openWebhook(folder, receiver.url, { retrySchedule: [MINUTE], maxAttempts: 2 });
    const { parked_accounts, waiting } = run.sink.figures();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual([parked_accounts, waiting, receiver.requests.length], [2, 2, 2]);
    run.ahead = 2 * MINUTE;
    await run.empty();
    assert.deepEqual(run.letters.map(({ detail }) => detail!.attempts), [2, 2]);
  }));

Deno.test("arrays of an earlier run with another size are cut, or sent as they are", () =>
  inFolder(async (folder) => {
    const file = `${folder}/queue.db`;
    await using receiver = await startReceiver();
    {
      await using _ = await openWebhook(folder, receiver.url, { batch: 10, onlyQueue: true }).then(async (run) => {
        await run.write(eventsFrom(0, 20));
        return run;
      });
    }
    await using run = await openWebhook(folder, receiver.url, { file, batch: 1 });
    await run.empty();
    assert.deepEqual(
      receiver.taken.map(({ id }) => id).toSorted(),
      eventsFrom(0, 20).map((event) => `msg_${eventId(event)}`).toSorted(),
    );
  }));
