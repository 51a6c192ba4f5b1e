/**
 * Dead letters as a source: messages that could not be read are read again, events that could not be written come again.
 *
 * @module
 */
import type { AnyEvent, Kind } from "../atproto/event.ts";
import type { Batch, Cursor, Poison } from "../pipeline/batch.ts";
import { ConfigError, PoisonError } from "../pipeline/errors.ts";
import type { CheckpointStore } from "../pipeline/sink.ts";
import { batchStream, type Source } from "../pipeline/source.ts";
import { type DeadEntry, type Decoded, type DecodeOptions, Decoder } from "./dead_letters/decode.ts";
import { matcher } from "./jetstream/filter.ts";
import { collectionFaults, didFaults } from "./wanted_faults.ts";

export { type DeadEntry, whyItStays } from "./dead_letters/decode.ts";

/** A write is not kept waiting for more once so many characters have come: entries may be large. */
const BATCH_CHARACTERS = 8 * 1024 * 1024;

/** Which events are wanted, whatever the entries are. */
export interface WantedEvents {
  /** NSIDs and wildcards (`app.bsky.feed.*`), or `all`; restricts commits only. */
  readonly collections: readonly string[];
  /** Accounts; none: all. */
  readonly dids: readonly string[];
  /** Kinds of events. */
  readonly kinds: readonly Kind[];
}

/** Options of {@link deadLetters}. */
export interface DeadLettersOptions extends DecodeOptions {
  /** Under which a sink that keeps positions keeps that of this source. */
  readonly key: string;
  /** What is to be retried, none that `whyItStays` has a word for, in order. */
  readonly entries: () => AsyncIterable<DeadEntry>;
  /** Which of their events are wanted; see {@link wantedEvents}. */
  readonly wanted: (event: AnyEvent) => boolean;
  /** The position behind an entry. */
  readonly cursorAt: (entry: DeadEntry) => Cursor;
  /** Told when everything up to a position is dealt with. */
  readonly checkpoints?: CheckpointStore;
  /** Events of one write. */
  readonly batchSize: number;
}

/** Of which entry something is. */
export interface DeadOrigin {
  /** Of an event, only its id, command and key. */
  readonly entry: Pick<DeadEntry, "id" | "command" | "key">;
  /** The entry became more than this, so that it is not dealt with when this is. */
  readonly part: boolean;
}

/** The source. */
export interface DeadLettersSource extends Source<AnyEvent> {
  /** What something dead came from. */
  entryOf(poison: Poison): DeadOrigin;
}

/** The events of dead letters, oldest first. What cannot be read, still, is poison. */
export function deadLetters(options: DeadLettersOptions): DeadLettersSource {
  const origins = new WeakMap<object, DeadOrigin>();
  return {
    key: options.key,
    ...(options.checkpoints && { checkpoints: options.checkpoints }),
    open: ({ stop } = {}) => batchStream(stop, (stop) => batches(options, origins, stop)),
    entryOf: ({ item, detail }) => origins.get((item ?? detail) as object)!,
  };
}

async function* batches(
  options: DeadLettersOptions,
  origins: WeakMap<object, DeadOrigin>,
  stop: AbortSignal,
): AsyncGenerator<Batch<AnyEvent>, void> {
  const { wanted, cursorAt, batchSize } = options;
  using decoder = new Decoder(options);
  let items: AnyEvent[] = [];
  let filtered = 0, characters = 0;
  let last: DeadEntry | undefined;
  const cut = (more: Pick<Batch<AnyEvent>, "poison" | "urgent">): Batch<AnyEvent> => {
    const batch = { items, filtered, cursor: cursorAt(last!), ...more };
    [items, filtered, last] = [[], 0, undefined];
    return batch;
  };
  for await (const entry of options.entries()) {
    if (stop.aborted) break;
    last = entry;
    characters += String(entry.event ?? entry.text ?? entry.base64).length;
    const { events, rejected } = await decoded(decoder, entry);
    const chosen = events.filter(wanted);
    filtered += events.length + rejected.length === 0 ? 1 : events.length - chosen.length;
    const part = chosen.length + rejected.length > 1;
    const { id, command, key } = entry;
    for (const event of chosen) origins.set(event, { entry: { id, command, key }, part });
    items.push(...chosen);
    const poison = rejected.map((error) => {
      const detail = {};
      origins.set(detail, { entry: { ...error.detail, ...entry }, part });
      return { error, raw: "", detail };
    });
    const urgent = items.length >= batchSize || characters >= BATCH_CHARACTERS;
    if (urgent) characters = 0;
    if (poison.length > 0 || urgent) yield cut({ ...(poison.length > 0 && { poison }), urgent });
  }
  if (last) yield cut({});
}

/** What cannot be read at all is rejected as a whole. */
async function decoded(decoder: Decoder, entry: DeadEntry): Promise<Decoded> {
  try {
    return await decoder.decode(entry);
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    return { events: [], rejected: [error] };
  }
}

/**
 * A test for events that are wanted.
 *
 * @throws {ConfigError} with every fault.
 */
export function wantedEvents({ collections, dids, kinds }: WantedEvents): (event: AnyEvent) => boolean {
  const all = collections.length === 1 && collections[0] === "all";
  const [first, ...others] = [...collectionFaults(collections), ...didFaults(dids)];
  if (first !== undefined) throw new ConfigError([first, ...others]);
  const matches = matcher({
    kinds: new Set(kinds),
    collections: all ? undefined : collections,
    dids: dids.length > 0 ? dids : undefined,
  });
  return (event) => event.kind === "label" || event.kind === "repo" || matches(event);
}
