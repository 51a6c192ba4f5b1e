import assert from "node:assert/strict";
import type { Outcome } from "../../net/websocket.ts";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { type Ending, Hosts } from "./hosts.ts";
import { makePlan } from "./options.ts";

const hostsOf = (...instances: string[]) => new Hosts(makePlan({ instances, wire: "v1" }));
const ending = (outcome: Outcome, more: Partial<Ending> = {}): Ending => ({
  outcome,
  opened: true,
  progressed: false,
  afterHello: false,
  ...more,
});
const closed = (code: number, reason = ""): Outcome => ({ kind: "closed", code, reason });
const refused = (status: number, body = ""): Outcome => ({ kind: "refused", status, body, retryAfterMs: undefined });

/** The host that is dialled before each ending. */
function walk(hosts: Hosts, endings: readonly Ending[]): string {
  return endings.map((each) => {
    const { host } = hosts.current;
    hosts.judge(each);
    return host;
  }).join("");
}

Deno.test("J32: three failures in a row lead to the next host, round robin", () => {
  const failed = ending({ kind: "failed", error: "refused" }, { opened: false });
  assert.equal(walk(hostsOf("a", "b"), Array(10).fill(failed)), "aaabbbaaab");
});

Deno.test("an event in between is no row", () => {
  const endings = [closed(1006), closed(1006), closed(1006), closed(1006)].map((outcome, i) =>
    ending(outcome, { progressed: i === 1 })
  );
  assert.equal(walk(hostsOf("a", "b"), [...endings, ending(closed(1006))]), "aaaab");
});

Deno.test("our own back-pressure is no failure", () => {
  const hosts = hostsOf("a", "b");
  for (let i = 0; i < 5; i++) assert.deepEqual(hosts.judge(ending({ kind: "paused" })), { step: "again" });
  assert.equal(hosts.current.host, "a");
});

Deno.test("silence and death lead to the next host at once", () => {
  assert.equal(
    walk(hostsOf("a", "b", "c"), [ending({ kind: "silent" }), ending({ kind: "dead" }), ending(closed(1006))]),
    "abc",
  );
});

Deno.test("J34: what only a change of options can cure is a ConfigError once every host has said so", () => {
  for (const status of [301, 400, 401, 403, 404]) {
    const hosts = hostsOf("a", "b");
    const step = hosts.judge(ending(refused(status, "why a"), { opened: false }));
    assert.ok("failure" in step && step.failure instanceof TransientError);
    assert.throws(() => hosts.judge(ending(refused(status, "why b"), { opened: false })), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.faults, [
        `Cannot subscribe at a: HTTP ${status}: why a`,
        `Cannot subscribe at b: HTTP ${status}: why b`,
      ]);
      return true;
    });
  }
});

Deno.test("J34: a 400 is the server's fault once any host has accepted the same parameters", () => {
  const hosts = hostsOf("a", "b");
  hosts.judge(ending(closed(1001), { progressed: true }));
  const no = ending(refused(400, "odd"), { opened: false });
  assert.equal(walk(hosts, [no, no, no]), "aba");
});

Deno.test("J34: 408, 429 and 5xx are tried again and say how long to wait", () => {
  for (const status of [408, 429, 500, 503]) {
    const hosts = hostsOf("a");
    const step = hosts.judge(ending({ kind: "refused", status, body: "", retryAfterMs: 2000 }, { opened: false }));
    assert.equal("failure" in step && step.failure.retryAfterMs, 2000);
  }
});

Deno.test("a URL that is too long for the server has a hint", () => {
  for (const status of [414, 431]) {
    const judge = () => hostsOf("a", "b").judge(ending(refused(status), { opened: false }));
    assert.throws(judge, (e) => e instanceof ConfigError && e.hint!.includes("--wire v1"));
  }
});

Deno.test("J11: a refusal of our options_update is a ConfigError, the same close later is not", () => {
  for (const code of [1007, 1008, 1009]) {
    const judge = () => hostsOf("a").judge(ending(closed(code, "bad option"), { afterHello: true }));
    assert.throws(judge, (e) => e instanceof ConfigError && e.message.includes("bad option"));
  }
  assert.ok("failure" in hostsOf("a").judge(ending(closed(1008, "later"))));
  assert.ok("failure" in hostsOf("a").judge(ending(closed(1006), { afterHello: true })));
});

Deno.test("protocol errors: three in a row lead on, on every host they end the run", () => {
  const hosts = hostsOf("a", "b");
  const bad = ending(closed(1003, "cannot accept"));
  assert.equal(walk(hosts, Array(5).fill(bad)), "aaabb");
  assert.throws(
    () => hosts.judge(bad),
    (e) => e instanceof Error && !(e instanceof ConfigError) && /every host/.test(e.message),
  );

  const recovered = hostsOf("a", "b");
  assert.equal(
    walk(recovered, [bad, bad, bad, bad, bad, ending(closed(1006), { progressed: true }), bad, bad, bad]),
    "aaabbbbba",
  );
  assert.doesNotThrow(() => recovered.judge(bad), "a was broken before b recovered: that counts no more");
});

Deno.test("a saved position is taken up where it was made, if that host is still listed", () => {
  const hosts = hostsOf("a", "b");
  hosts.prefer("elsewhere");
  assert.equal(hosts.current.host, "a");
  hosts.prefer("b");
  assert.equal(hosts.current.host, "b");
});
