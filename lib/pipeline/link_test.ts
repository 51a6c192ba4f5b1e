import assert from "node:assert/strict";
import { BlockedTime, Link, switchTo } from "./link.ts";

Deno.test("a connection: dialled, open, gone, open again", () => {
  const link = new Link("a");
  assert.deepEqual([link.readyState, link.connected, link.since], [undefined, false, undefined]);
  link.dial("v2");
  assert.deepEqual([link.readyState, link.wire], [0, "v2"]);
  link.open(1000);
  assert.deepEqual([link.readyState, link.connected, link.since, link.connections], [1, true, 1000, 1]);
  link.receive(10, 1500);
  link.end("silent", 2000);
  assert.deepEqual([link.readyState, link.connected, link.since, link.lastAt], [3, false, 2000, 1500]);
  link.fail("no events");
  link.dial("v2");
  link.end("refused", 3000);
  link.fail("HTTP 503");
  assert.deepEqual([link.since, link.failures, link.lastError], [2000, 2, "HTTP 503"], "away since it was lost");
  link.dial("v2");
  link.open(4000);
  assert.deepEqual([link.connections, [...link.reconnects]], [2, [["refused", 1]]]);
});

Deno.test("where there is no socket, only whether events can come is known", () => {
  const link = new Link("a");
  link.open(1000);
  link.open(2000);
  assert.deepEqual([link.readyState, link.connected, link.since, link.connections], [undefined, true, 1000, 1]);
  link.end("failed", 3000);
  assert.deepEqual([link.readyState, link.connected], [undefined, false]);
});

Deno.test("of hosts that stand in for each other one is active, and what is known of the others stays", () => {
  const links: Link[] = [];
  const a = switchTo(links, "a");
  a.receive(5);
  const b = switchTo(links, "b");
  assert.deepEqual([a.active, b.active, links.length], [false, true, 2]);
  assert.equal(switchTo(links, "a"), a);
  assert.deepEqual([a.active, b.active, a.bytesReceived], [true, false, 5]);
});

Deno.test("blocked time adds up, also while it goes on", () => {
  const time = new BlockedTime();
  assert.deepEqual([time.now, time.ms()], [false, 0]);
  time.begin();
  time.begin();
  assert(time.now);
  const first = time.ms();
  time.end();
  const whole = time.ms();
  assert(whole >= first);
  time.end();
  assert.equal(time.ms(), whole);
});
