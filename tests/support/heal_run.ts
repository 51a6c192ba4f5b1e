/**
 * Gaps of `jetstream` that a run of the program meets, and what `gaps heal` says of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertCalm, type Ended, parseSummary, summaryOf } from "./program.ts";
import type { ScriptedJetstream } from "./scripted_jetstream.ts";
import { sparseTime } from "./sparse_jetstream.ts";

/** The source's options; events are 10 s apart. */
export const from = (...servers: readonly ScriptedJetstream[]) => [
  ...servers.flatMap(({ host }) => ["-i", `ws://${host}`]),
  ...["--wire", "v1", "-c", "app.bsky.feed.post", "--overlap", "10s"],
];

/** Writes the events 1 to 5, and then those behind a hole: 20, 21, 22. */
export async function meetHole(folder: string, server: { oldest: number; readonly args: readonly string[] }) {
  const ingest = ["jetstream", ...server.args];
  server.oldest = 1;
  await summaryOf(folder, [...ingest, "--cursor", `${sparseTime(1)}`, "-n", "5"]);
  server.oldest = 20;
  assert.equal((await summaryOf(folder, [...ingest, "-n", "3"])).gaps, 1);
}

/** What `gaps heal --json` says of the gaps. */
export function outcomeOf(end: Ended, code: number) {
  assertCalm(end);
  const { healed, open } = parseSummary(end, code) as unknown as {
    healed: number[];
    open: { id: number; why: string }[];
  };
  return { healed, open: open.map(({ id, why }) => `${id}: ${why}`) };
}
