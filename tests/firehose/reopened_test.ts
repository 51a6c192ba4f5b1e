import { deepEqual, rejects } from "node:assert/strict";
import { RewoundError } from "../../lib/pipeline/errors.ts";
import type { AnyEvent, RepoEvent } from "../../lib/atproto/event.ts";
import type { Source } from "../../lib/pipeline/source.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { firehose, type FirehoseOptions } from "../../lib/sources/firehose.ts";
import { labels } from "../../lib/sources/labels.ts";
import { listRepos } from "../../lib/sources/list_repos.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { range } from "../support/jetstream_run.ts";
import { commits, KEY, runSource, seqsOf } from "../support/live_run.ts";
import { memoryStore } from "../support/pipeline_ends.ts";
import { startScripted } from "../support/scripted_jetstream.ts";

/**
 * Runs a source into a sink that loses what it had confirmed when `losesAt` events are there, with its position, and then into the same sink
 * again. Answers what the sink has in the end.
 *
 * @param back The position that is left.
 * @param keeps How many events are left.
 */
async function overLoss(
  source: Source<AnyEvent>,
  { before, back, keeps, losesAt, key = KEY, last }: {
    readonly before?: string;
    readonly back: string | undefined;
    readonly keeps: number;
    readonly losesAt: number;
    readonly key?: string;
    /** The position behind which no more is to come; default: the source ends by itself. */
    readonly last?: string;
  },
): Promise<AnyEvent[]> {
  const store = memoryStore();
  if (before !== undefined) store.positions.set(key, before);
  const events: AnyEvent[] = [];
  let lost = false;
  const sink = {
    name: "memory",
    checkpoints: store,
    write(batch: { readonly items: readonly AnyEvent[]; readonly cursor: string | undefined }) {
      if (!lost && events.length >= losesAt) {
        lost = true;
        events.length = keeps;
        if (back === undefined) store.positions.delete(key);
        else store.positions.set(key, back);
        return Promise.reject(new RewoundError("Cannot go on: the sink has lost writes"));
      }
      events.push(...batch.items);
      if (batch.cursor !== undefined) store.positions.set(key, batch.cursor);
      return Promise.resolve({ rejected: [] });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await using first = runSource(source, { sink, store, batchSize: 5 });
  await rejects(first.result, RewoundError);
  await using again = runSource(source, { sink, store, batchSize: 5 });
  if (last === undefined) await again.result;
  else await again.until(() => store.positions.get(key) === last);
  return events;
}

/** A relay that keeps the numbers from 1 to 60, and says 21 first to whoever asks live. */
const relay = () =>
  startScripted({
    onDial: (dial) => void dial.accept(...commits(dial.cursor === undefined ? 21 : dial.cursor + 1, 60)),
  });

const cases: readonly (readonly [
  what: string,
  options: FirehoseOptions,
  before: string | undefined,
  /** What the sink has lost up to, and the numbers that it has in the end; which servers were asked for. */
  back: string | undefined,
  expected: readonly [asked: readonly (number | undefined)[], first: number],
])[] = [
  ["--cursor 9 counts once", { cursor: 9 }, "55", "14", [[9, 14], 10]],
  ["--cursor oldest counts once", { cursor: "oldest" }, "55", "5", [[0, 5], 1]],
  ["--cursor live counts once", { cursor: "live" }, "9", "25", [[undefined, 25], 21]],
  ["without --cursor", {}, "9", "14", [[9, 14], 10]],
  ["where nothing is left of what was read, --cursor 9 counts again", { cursor: 9 }, "55", "55", [[9, 9], 10]],
  ["where nothing is left, live is where it was live", { cursor: "live" }, "9", "9", [[undefined, 20], 21]],
  ["where there never was a position, live is where it was live", {}, undefined, undefined, [[undefined, 20], 21]],
];

for (const [what, options, before, back, [asked, first]] of cases) {
  Deno.test(`R21: a sink that lost writes: ${what}, and nothing is missing or doubled`, async () => {
    await using server = await relay();
    const source = firehose({ hosts: [`ws://${server.host}`], alias: "host", ...options });
    const keeps = back === before ? 0 : Number(back) - first + 1;
    const events = await overLoss(source, {
      ...(before !== undefined && { before }),
      ...{ back, keeps, losesAt: keeps + 10, last: "60" },
    });
    deepEqual(server.dials.map(({ cursor }) => cursor), asked);
    deepEqual(seqsOf(events), range(first, 60));
  });
}

Deno.test("R21: --cursor of a labeler counts once", async () => {
  const label = (n: number) => ({
    src: "did:web:l.test",
    uri: `did:web:a${n}.test`,
    val: "x",
    cts: "2026-01-01T00:00:00Z",
  });
  await using server = await startScripted({
    onDial: (dial) =>
      void dial.accept(...range((dial.cursor ?? 0) + 1, 30).map((seq) => labelsFrame(seq, [label(seq)]))),
  });
  const key = "label_live:cursor:host";
  const source = labels({ hosts: [`ws://${server.host}`], alias: "host", cursor: 4 });
  const events = await overLoss(source, {
    ...{ key, before: "20", back: "9", keeps: 5, losesAt: 15, last: "30" },
  });
  deepEqual([server.dials.map(({ cursor }) => cursor), seqsOf(events)], [[4, 9], range(5, 30)]);
});

Deno.test("R21: --restart of a list counts once, and again where nothing is left of it", async () => {
  const didOf = (n: number) => `did:web:repo${n}.test`;
  const repos = range(1, 100).map((n) => ({ did: didOf(n), head: "x", rev: "3mptbypluud2a", active: true }));
  for (const [back, keeps, asked] of [["20", 20, [null, "20"]], ["!ingester-done", 0, [null, null]]] as const) {
    const cursors: (string | null)[] = [];
    await using server = await startSimulate({
      repos,
      onHttp({ url }) {
        cursors.push(url.searchParams.get("cursor"));
        return undefined;
      },
    });
    const source = listRepos({ hosts: [server.url], alias: "host", restart: true, pageSize: 10 });
    const key = "repo_backfill:cursor:host", done = "!ingester-done";
    const events = await overLoss(source, {
      ...{ key, before: done, back, keeps, losesAt: 50 },
    });
    deepEqual((events as RepoEvent[]).map(({ did }) => did), range(1, 100).map(didOf));
    const begun = cursors.flatMap((cursor, i) => i === 0 || Number(cursor) <= Number(cursors[i - 1]) ? [cursor] : []);
    deepEqual(begun, asked);
  }
});
