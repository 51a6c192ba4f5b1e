import { deepEqual, equal } from "node:assert/strict";
import { account, like, post } from "../../../tests/support/elasticsearch_events.ts";
import type { AnyEvent } from "../../atproto/event.ts";
import { purgeOf, toWrites } from "../../transforms/elasticsearch/writes.ts";
import type { Line } from "./body.ts";
import { overtaking } from "./overtaking.ts";

const options = { deletes: "apply", purgeAccounts: ["deleted"], now: () => 0 } as const;

function setUp() {
  const past = overtaking();
  const lineOf = (event: AnyEvent): Line => ({ write: toWrites(event, options).at(-1)!, index: "i", item: 0 });
  return {
    past,
    fail: (event: AnyEvent) => past.failed(event, toWrites(event, options)),
    done: (event: AnyEvent) => toWrites(event, options).forEach(past.done),
    purge: (event: AnyEvent) => past.purging(purgeOf(event, options)!),
    /** What becomes of the line of an event: `same`, `nothing`, or what is sent in its place. */
    fate(event: AnyEvent) {
      const line = lineOf(event);
      const now = past.current(line, event);
      return now === line ? "same" : now?.write ?? "nothing";
    },
  };
}

Deno.test("overtaking: a create that failed, and whose delete went past it, is not written any more", () => {
  const { past, fail, done, fate } = setUp();
  const created = post(), deletion = post({ operation: "delete", at: 1 }), later = post({ at: 2 });
  fail(created);
  done(deletion);
  done(post({ operation: "delete", at: -1 })); // repeated, and late itself
  equal(fate(created), "nothing");
  deepEqual([deletion, later, post({ rkey: "other" }), like()].map(fate), ["same", "same", "same", "same"]);
  past.settled(created);
  equal(fate(created), "same");
});

Deno.test("overtaking: deletes are only remembered while something waits to come again", () => {
  const { past, fail, done, fate } = setUp();
  const [first, second] = [like({ rkey: "a" }), like({ rkey: "b" })];
  done(like({ operation: "delete", at: 1 }));
  fail(first);
  equal(fate(like()), "same");
  done(like({ operation: "delete", at: 1 }));
  fail(second);
  past.settled(first);
  past.settled(like({ rkey: "never failed" }));
  equal(fate(like()), "nothing");
  past.settled(second);
  equal(fate(like()), "same");
});

Deno.test("overtaking: what is older than a purge becomes a delete", () => {
  const { purge, fate } = setUp();
  purge(account("deleted", { at: 50 }));
  purge(account("deleted", { at: -1 }));
  const { version: purgedAt } = purgeOf(account("deleted", { at: 50 }), options)!;
  const { kind, id, uri } = toWrites(post(), options)[0]!;
  deepEqual(fate(post()), { kind, action: "delete", id, uri, version: purgedAt });
  deepEqual([post({ at: 51 }), post({ did: "did:plc:other" }), post({ operation: "delete" })].map(fate), [
    "same",
    "same",
    "same",
  ]);
});

Deno.test("overtaking: an event that failed keeps its writes until it is settled", () => {
  const { past } = setUp();
  const event = like(), writes = toWrites(event, options);
  equal(past.built(event), undefined);
  past.failed(event, writes);
  equal(past.built(event), writes);
  past.settled(event);
  equal(past.built(event), undefined);
});
