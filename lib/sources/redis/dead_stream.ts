/**
 * Entries that consumers gave up on: to be looked at, put back, removed.
 *
 * @module
 */
import { redisLink, type RedisLinkOptions } from "../../net/redis/link.ts";
import { partitionsKey, partitionStream } from "../../net/redis/stream_keys.ts";
import type { AnyEvent } from "../../atproto/event.ts";
import { decodeEntry } from "./decode.ts";
import { findStreams } from "./group.ts";
import { PUT_BACK } from "./scripts.ts";

/** Ids that one command asks for. */
const PAGE = 500;

/** Fields that were put behind the entry's own ones. */
const ABOUT = ["reason", "attempts", "id", "consumer"] as const;

/** An entry of a dead stream. */
export interface DeadStreamEntry {
  /** Its id in the dead stream. */
  readonly id: string;
  /** When it was given up, in milliseconds since 1970. */
  readonly at: number;
  /** A short code: `not_json`, `unknown_shape`, `deliveries`, or what the sink said. */
  readonly reason: string;
  /** How often it was delivered. */
  readonly attempts: number;
  /** Its id in the stream that it was read from. */
  readonly entry: string;
  /** Who gave it up. */
  readonly consumer: string;
  /** Its own fields and values in turn. */
  readonly fields: readonly string[];
}

/** Which entries. */
export interface DeadStreamFilter {
  readonly reason?: string | undefined;
  /** Given up then or later, in milliseconds since 1970. */
  readonly since?: number | undefined;
  /** Given up before, likewise. */
  readonly before?: number | undefined;
  readonly ids?: readonly string[] | undefined;
}

/** Options of {@link redisDeadStream}. */
export interface DeadStreamOptions {
  /** The server. */
  readonly connection: RedisLinkOptions;
  /** The stream that was read. */
  readonly stream: string;
  /** Where its dead entries are; default: beside it, `<stream>_dlq`. */
  readonly deadStream?: string | undefined;
  /** Which of so many partitions an event belongs to. */
  readonly partitionOf: (event: AnyEvent, partitions: number) => number;
}

/** The dead stream beside a stream. */
export interface DeadStream extends AsyncDisposable {
  /** Server and dead stream, for people. */
  describe(): Promise<string>;
  /** Oldest first. */
  entries(filter?: DeadStreamFilter): AsyncGenerator<DeadStreamEntry, void>;
  /** Adds an entry to its stream again, as it was, for every group of it; it is not dead any more. */
  putBack(entry: DeadStreamEntry): Promise<void>;
  remove(ids: readonly string[]): Promise<void>;
}

/**
 * Opens it; nothing is sent yet.
 *
 * @throws {ConfigError} For a URL that is none.
 */
export function redisDeadStream({ connection, stream, deadStream, partitionOf }: DeadStreamOptions): DeadStream {
  const link = redisLink(connection);
  let known: Promise<string> | undefined;

  /** For an entry that cannot be read it does not matter which partition it is in. */
  async function targetOf(entry: DeadStreamEntry): Promise<string> {
    const count = await link.send(stream, ["GET", partitionsKey(stream)]);
    if (count === null) return stream;
    const event = eventOf(stream, entry);
    return partitionStream(stream, event === undefined ? 0 : partitionOf(event, Number(count)));
  }

  const dead = () => known ??= findStreams(link, stream, { deadStream }).then(([first]) => first!.dead);
  return {
    describe: async () => `${link.describe} ${await dead()}`,
    async *entries(filter = {}) {
      const name = await dead();
      const { since = 0, before } = filter;
      const end = before === undefined ? "+" : String(before - 1);
      for (let start = String(since);;) {
        const range = ["XRANGE", name, start, end, "COUNT", String(PAGE)];
        const page: [id: string, fields: string[]][] = await link.send(name, range);
        for (const [id, fields] of page) {
          const entry = readEntry(id, fields);
          if (matches(entry, filter)) yield entry;
        }
        if (page.length < PAGE) return;
        start = `(${page.at(-1)![0]}`;
      }
    },
    async putBack(entry) {
      const keys = [await dead(), await targetOf(entry)];
      await link.script(PUT_BACK, keys, [entry.id, ...entry.fields]);
    },
    async remove(ids) {
      if (ids.length > 0) await link.send(await dead(), ["XDEL", await dead(), ...ids]);
    },
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}

function readEntry(id: string, all: readonly string[]): DeadStreamEntry {
  const fields = all.slice(0, -2 * ABOUT.length);
  const about = all.slice(-2 * ABOUT.length);
  const of = (name: typeof ABOUT[number]) => about[about.indexOf(name) + 1] ?? "";
  return {
    id,
    at: Number(id.split("-")[0]),
    reason: of("reason"),
    attempts: Number(of("attempts")),
    entry: of("id"),
    consumer: of("consumer"),
    fields,
  };
}

function matches({ id, reason }: DeadStreamEntry, filter: DeadStreamFilter): boolean {
  return (filter.reason === undefined || reason === filter.reason) &&
    (filter.ids === undefined || filter.ids.includes(id));
}

/** What entries are of, if they can be read. */
function eventOf(stream: string, { id, fields }: DeadStreamEntry): AnyEvent | undefined {
  try {
    return decodeEntry({ stream, id, fields })[0];
  } catch {
    return undefined;
  }
}
