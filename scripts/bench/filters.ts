/**
 * What each filter costs an event: generated events, parsed before the clock starts, in the mix that the network has.
 *
 * @module
 */
import type { AtEvent } from "../../lib/atproto/event.ts";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { parseV1 } from "../../lib/sources/jetstream/parse.ts";
import { createFilter, type FilterOptions } from "../../lib/transforms/filters.ts";
import type { Bench, Sample } from "./bench.ts";
import { measure } from "./measure.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;
/** Parsed events in memory: each sample goes over them again and again. */
const DISTINCT = 50_000;
const ORIGIN = { source: "jetstream", wire: "v1", host: "bench" } as const;

const POSTS = 'event.commit.collection == "app.bsky.feed.post"';

/** The options of each case. */
const FILTERS: Readonly<Record<string, FilterOptions>> = {
  "--ops create": { ops: ["create"] },
  "--langs en,ja": { langs: ["en", "ja"] },
  "--sample 0.5": { sample: 0.5 },
  "--where kind and collection": { where: `event.kind == "commit" && ${POSTS}` },
  "--where time_us": { where: "event.time_us > 1700000000000000" },
  "--where has(record.reply)": { where: "has(event.commit.record) && has(event.commit.record.reply)" },
  "--where langs.exists, guarded": {
    where: `event.kind == "commit" && ${POSTS} && event.commit.record.langs.exists(l, l == "ja")`,
  },
  "--where langs.exists, 9 of 10 fail": { where: 'event.commit.record.langs.exists(l, l == "ja")' },
  "--where did.matches": { where: 'event.did.matches("^did:plc:[a-m]")' },
  "--ops, --langs, --sample together": { ops: ["create"], langs: ["en"], sample: 0.5 },
};

function parsedEvents(count: number): AtEvent[] {
  const store = generatedEvents({ epoch: EPOCH, count });
  return Array.from({ length: count }, (_, i) => parseV1(store.read(i + 1, "v1", undefined)!, ORIGIN) as AtEvent);
}

/** Hands `count` events to `each`. */
async function pass(count: number, each: (event: AtEvent) => unknown): Promise<Sample[]> {
  const events = parsedEvents(Math.min(count, DISTINCT));
  let kept = 0;
  const sample = await measure(() => {
    for (let i = 0; i < count; i++) if (each(events[i % events.length]!)) kept++;
    return count;
  });
  if (kept === 0) throw new Error("Cannot measure filter: it keeps nothing");
  return [sample];
}

/** `deno task bench filters` */
export const bench: Bench = {
  name: "filters",
  brief: "The cost of each filter for an event that is parsed already",
  events: 500_000,
  rounds: 3,
  warmUps: 1,
  timeoutMs: 120_000,
  cases: () => [
    { name: "nothing", run: ({ events }) => pass(events, ({ kind }) => kind === "commit") },
    ...Object.entries(FILTERS).map(([name, options]) => ({
      name,
      run: async ({ events }: { events: number }) => await pass(events, (await createFilter(options))!.keep),
    })),
  ],
};
