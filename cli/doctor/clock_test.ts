import assert from "node:assert/strict";
import { checkClock } from "./clock.ts";

/** A server whose clock is ahead of ours by so many milliseconds. */
function clockServer(aheadMs: number) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    const date = new Date(Date.now() + aheadMs).toUTCString();
    return new Response("Upgrade Required", { status: 426, headers: { date } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/subscribe`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const HOUR = 3_600_000;
const CLOSED = "http://127.0.0.1:1/subscribe";

for (
  const [aheadMs, verdict, detail] of [
    [0, "ok", /^as the servers'$/],
    [8_000, "warn", /^[678]\.\d s behind the nearest of 1 servers$/],
    [-8_000, "warn", /^[678]\.\d s ahead of the nearest/],
    [HOUR, "fail", /^60 min behind the nearest/],
    [-3 * HOUR, "fail", /^3\.0 h ahead of the nearest/],
  ] as const
) {
  Deno.test(`T22: clock of the server ${aheadMs / 1000} s ahead: ${verdict}`, async () => {
    await using server = clockServer(aheadMs);
    const finding = await checkClock([CLOSED, server.url], AbortSignal.timeout(10_000));
    assert.equal(finding.verdict, verdict, finding.detail);
    assert.match(finding.detail, detail);
  });
}

Deno.test("T22: one server that agrees is enough; none at all is no verdict", async () => {
  await using wrong = clockServer(HOUR);
  await using right = clockServer(0);
  const signal = AbortSignal.timeout(10_000);
  assert.equal((await checkClock([wrong.url, right.url], signal)).verdict, "ok");
  assert.equal((await checkClock([CLOSED], signal)).verdict, "skip");
});
