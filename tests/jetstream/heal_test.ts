import assert from "node:assert/strict";
import { memoryCheckpoints, numbersOf, range, run } from "../support/jetstream_run.ts";
import type { ScriptedJetstream } from "../support/scripted_jetstream.ts";
import { SECOND_US, sparseJetstream, sparseTime as timeOf } from "../support/sparse_jetstream.ts";

const now = () => timeOf(41) / 1000;

/** Where a run stopped: behind event 5 of a host. */
const behindFive = (host: string, seq?: number) =>
  memoryCheckpoints({ v: 1, host, wire: "v1", time_us: timeOf(5), ...(seq !== undefined && { seq }) });

/** Reads on from event 5 of the first of these hosts, with the overlap of one event. */
function readOn(servers: readonly ScriptedJetstream[], options: { wire?: "v2"; dids?: string[] } = {}) {
  const [first] = servers;
  const instances = servers.map(({ host }) => `ws://${host}`);
  const settings = { instances, wire: "v1", healGaps: true, overlapMs: 10_000, now, ...options } as const;
  return run(settings, { checkpoints: behindFive(first!.host, options.wire === "v2" ? 5 : undefined) });
}

const short = (gaps: ReturnType<typeof run>["gaps"]) =>
  gaps.map(({ reason, host, from, to, state }) => ({ reason, host, from, to, state }));

Deno.test("C7: --on-gap heal goes on at the host that still has everything, the hole is a healed row", async () => {
  await using clamped = await sparseJetstream(() => 20);
  await using half = await sparseJetstream(() => 12);
  await using whole = await sparseJetstream(() => 1);
  await using reading = readOn([clamped, half, whole]);
  await reading.until(() => reading.events.length >= 35);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events).filter((i) => i > 5), range(6, 40), "each once");
  assert.deepEqual(short(reading.gaps), [
    { reason: "clamped", host: clamped.host, from: timeOf(5), to: timeOf(20), state: "healed" },
  ]);
  assert.equal(reading.position()!.host, whole.host);
  assert.deepEqual([clamped, half, whole].map(({ dials }) => dials.map(({ cursor }) => cursor)), [
    [timeOf(4), timeOf(5) - 10 * SECOND_US],
    [timeOf(4)],
    [timeOf(4), timeOf(4)],
  ]);
});

Deno.test("C7: where nobody has all of it the earliest start wins, and the rest is an open row", async () => {
  await using clamped = await sparseJetstream(() => 20);
  await using half = await sparseJetstream(() => 12);
  await using down = await sparseJetstream(() => 1, { refuse: () => true });
  await using reading = readOn([clamped, down, half]);
  await reading.until(() => reading.events.length >= 29);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), range(12, 40));
  assert.deepEqual(short(reading.gaps), [
    { reason: "clamped", host: clamped.host, from: timeOf(5), to: timeOf(12), state: "open" },
  ]);
});

Deno.test("C7: a refused sequence number is looked for at the other hosts, by time", async () => {
  await using tooOld = await sparseJetstream(() => 20, { wire: "v2" });
  await using whole = await sparseJetstream(() => 1, { wire: "v2" });
  await using reading = readOn([tooOld, whole], { wire: "v2" });
  await reading.until(() => reading.events.length >= 35);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events).filter((i) => i > 5), range(6, 40));
  assert.deepEqual(short(reading.gaps), [
    { reason: "cursor_too_old", host: tooOld.host, from: timeOf(5), to: timeOf(20), state: "healed" },
  ]);
  assert.deepEqual(tooOld.dials[0]!.cursor, 5);
});

Deno.test("C7: when no other host has more, or answers, the run goes on where it was", async () => {
  await using clamped = await sparseJetstream(() => 20);
  await using down = await sparseJetstream(() => 1, { refuse: () => true });
  await using reading = readOn([clamped, down]);
  await reading.until(() => reading.events.length >= 21);
  await reading.stop();
  assert.deepEqual(numbersOf(reading.events), range(20, 40));
  assert.deepEqual(short(reading.gaps), [
    { reason: "clamped", host: clamped.host, from: timeOf(5), to: timeOf(20), state: "open" },
  ]);
  assert.equal(clamped.dials.length, 3, "asked, looked at, and asked once more: no loop");
});

Deno.test("C7: of a quiet filter the host itself tells whether anything is missing", async () => {
  const later = timeOf(5) / 1000 + 25 * 3600e3;
  await using server = await sparseJetstream(() => 1);
  const did = "did:plc:00000030";
  await using reading = run(
    {
      instances: [`ws://${server.host}`],
      wire: "v1",
      healGaps: true,
      dids: [did],
      overlapMs: 10_000,
      now: () => later,
    },
    { checkpoints: behindFive(server.host) },
  );
  await reading.until(() => reading.events.length >= 1);
  await reading.stop();
  assert.deepEqual([numbersOf(reading.events), reading.gaps], [[30], []]);
  assert.deepEqual(server.dials.map(({ url }) => url.searchParams.get("wantedDids")), [did, null, did]);
});
