import assert from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import type { Request } from "./requests.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";

const request = (id: number, ...accounts: string[]): Request => ({
  id,
  count: Math.max(1, accounts.length),
  accounts,
  createdAt: 0,
  content: undefined,
  attempts: 0,
  deferrals: 0,
  notBefore: 0,
  firstAttemptAt: undefined,
});

const takeAll = (scheduler: Scheduler, now = 0) => {
  const taken: number[] = [];
  for (let each; (each = scheduler.take(now));) taken.push(each.id);
  return taken;
};

Deno.test("W16: an account waits for its request, others do not", () => {
  const scheduler = createScheduler();
  const first = request(1, "a");
  scheduler.add(first, 0);
  for (const [id, account] of [[2, "a"], [3, "b"], [4, "a"], [5, "c"]] as const) scheduler.add(request(id, account), 0);
  assert.deepEqual(takeAll(scheduler), [1, 3, 5]);
  first.attempts++;
  scheduler.park(first, 100);
  assert.deepEqual([scheduler.isParked("a"), scheduler.parkedAccounts, scheduler.nextDue()], [true, 1, 100]);
  scheduler.add(request(6, "a"), 0);
  assert.deepEqual(takeAll(scheduler, 99), []);
  assert.deepEqual(takeAll(scheduler, 100), [1]);
  scheduler.finish(first);
  assert.equal(scheduler.parkedAccounts, 0);
  assert.deepEqual(takeAll(scheduler, 100), [2]);
});

Deno.test("a request of several accounts waits for all of them", () => {
  const scheduler = createScheduler();
  const [a, b] = [request(1, "a"), request(2, "b")];
  scheduler.add(a, 0);
  scheduler.add(b, 0);
  scheduler.add(request(3, "a", "b"), 0);
  assert.deepEqual(takeAll(scheduler), [1, 2]);
  scheduler.finish(b);
  assert.deepEqual(takeAll(scheduler), []);
  scheduler.finish(a);
  assert.deepEqual(takeAll(scheduler), [3]);
});

Deno.test("parts take the place of a request, in their order", () => {
  const scheduler = createScheduler();
  const whole = request(1, "a", "b", "c");
  scheduler.add(whole, 0);
  scheduler.add(request(4, "a"), 0);
  assert.deepEqual(takeAll(scheduler), [1]);
  const parts = [request(1, "a", "b"), request(3, "a", "c")];
  scheduler.replace(whole, parts, 0);
  assert.deepEqual(takeAll(scheduler), [1]);
  scheduler.finish(parts[0]!);
  assert.deepEqual(takeAll(scheduler), [3]);
  scheduler.finish(parts[1]!);
  assert.deepEqual(takeAll(scheduler), [4]);
});

Deno.test("what comes later of the same accounts is behind a request, wherever that stands", () => {
  const scheduler = createScheduler();
  const all = [request(1, "a"), request(2, "a", "b"), request(3, "b"), request(4, "c")];
  for (const each of all) scheduler.add(each, 0);
  assert.deepEqual(scheduler.behind(all[0]!).map(({ id }) => id), [2]);
  assert.deepEqual(scheduler.behind(all[1]!).map(({ id }) => id), [3]);
});

Deno.test("the freshest one is one that has failed the fewest times; without accounts there is no order", () => {
  const scheduler = createScheduler();
  const tried = { ...request(1), attempts: 3 };
  scheduler.add(tried, 0);
  scheduler.add(request(2), 0);
  scheduler.add(request(3), 50);
  assert.equal(scheduler.takeFreshest(0)?.id, 2);
  assert.equal(scheduler.takeFreshest(0)?.id, 1);
  assert.equal(scheduler.takeFreshest(0), undefined);
  scheduler.park(tried, 60);
  assert.deepEqual(takeAll(scheduler, 60), [3, 1]);
});

Deno.test(`requests of random accounts and fates: each is done once, an account's in order (seed ${SEED})`, () => {
  const accounts = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 3 });
  const fates = fc.array(fc.constantFrom("finish", "park", "cut"), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(fc.array(accounts, { maxLength: 40 }), fates, fc.integer({ min: 1, max: 4 }), (lists, fates, lanes) => {
      const scheduler = createScheduler();
      lists.forEach((list, i) => scheduler.add(request(i * 10, ...list), i));
      const done: Request[] = [], taken: Request[] = [];
      let parks = 0;
      for (let now = 0, turn = 0; scheduler.size > 0; now++) {
        assert(now < 10_000, "it came to a stop");
        for (
          let next;
          taken.length < lanes && (next = turn % 7 === 6 ? scheduler.takeFreshest(now) : scheduler.take(now));
        ) {
          for (const other of taken) {
            assert(!other.accounts.some((each) => next!.accounts.includes(each)), "two at once");
          }
          taken.push(next);
        }
        const each = taken.splice(turn % Math.max(1, taken.length), 1)[0];
        if (each === undefined) continue;
        const fate = fates[turn++ % fates.length]!;
        if (fate === "park" && parks++ < 100) {
          each.attempts++;
          scheduler.park(each, now + 5);
        } else if (fate === "cut" && each.accounts.length > 1) {
          const [first, ...rest] = each.accounts;
          scheduler.replace(each, [request(each.id, first!), request(each.id + 1, ...rest)], now);
        } else {
          scheduler.finish(each);
          done.push(each);
        }
      }
      assert.equal(scheduler.parkedAccounts, 0);
      for (const account of ["a", "b", "c", "d", "e"] as const) {
        const ids = done.filter((each) => each.accounts.includes(account)).map(({ id }) => id);
        assert.deepEqual(ids, ids.toSorted((x, y) => x - y));
        assert.equal(ids.length, lists.filter((list) => list.includes(account)).length);
      }
    }),
    { seed: SEED },
  );
});
