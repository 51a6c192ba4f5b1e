import assert from "node:assert/strict";
import { Tally } from "./tally.ts";

const SECOND = 1e6;

/** A tally of two hosts, whose clock stands still. */
function tallyAt(start: number) {
  const clock = { ms: start };
  const tally = new Tally({ hosts: ["a", "b"], aloneMs: 60_000, now: () => clock.ms });
  const hosts = { connections: "1,1" as string | undefined, reached: 0 };
  return {
    ...{ tally, hosts, figures: tally.figures },
    after(ms: number) {
      clock.ms += ms;
      tally.look(() => hosts);
    },
  };
}

Deno.test("J44: `only` after 60 s alone, with all hosts connected and five seconds past the event", () => {
  const { tally, hosts, figures, after } = tallyAt(1e9);
  after(1000);
  tally.first("a", "did:plc:1", 10 * SECOND);
  tally.first("a", "did:plc:2", 10 * SECOND);
  tally.first("b", "did:plc:3", 30 * SECOND);
  tally.again("b", "did:plc:2");
  tally.again("a", "did:plc:1"); // its own copy proves nothing
  hosts.reached = 20 * SECOND;
  after(59_000);
  assert.deepEqual(figures, { a: { first: 2, only: 0 }, b: { first: 1, only: 0 } });
  after(1000);
  assert.deepEqual(figures, { a: { first: 2, only: 1 }, b: { first: 1, only: 0 } });
  hosts.reached = 35 * SECOND;
  after(59_000);
  assert.equal(figures.b!.only, 0, "60 s more for an event that not all were past");
  after(1000);
  assert.equal(figures.b!.only, 1);
});

Deno.test("J44: the 60 s begin anew when a host was away or connected again", () => {
  const { tally, hosts, figures, after } = tallyAt(1e9);
  hosts.reached = 100 * SECOND;
  after(1000);
  tally.first("a", "did:plc:1", SECOND);
  after(30_000);
  hosts.connections = undefined;
  after(1000);
  after(60_000);
  hosts.connections = "1,2";
  after(1000);
  after(40_000);
  hosts.connections = "1,3";
  after(1000);
  after(59_000);
  assert.equal(figures.a!.only, 0);
  after(1000);
  assert.equal(figures.a!.only, 1);
});

Deno.test("events that wait while a host is away for long are forgotten, the oldest first", () => {
  const { tally, hosts, figures, after } = tallyAt(1e9);
  hosts.connections = undefined;
  for (let i = 0; i <= 100_000; i++) tally.first("a", `did:plc:${i}`, SECOND);
  hosts.connections = "1,1";
  hosts.reached = 100 * SECOND;
  after(1000);
  after(60_000);
  assert.deepEqual(figures.a, { first: 100_001, only: 50_000 });
});
