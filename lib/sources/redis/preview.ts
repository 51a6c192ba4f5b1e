/**
 * What a consumer group would be given, without being one of it: for dry runs.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { replyCode } from "../../net/redis/errors.ts";
import { type RedisLink, redisLink } from "../../net/redis/link.ts";
import type { Batch, Poison } from "../../pipeline/batch.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { batchStream, type Source } from "../../pipeline/source.ts";
import { decodeEntry, rawEntry } from "./decode.ts";
import { findStreams, type GroupOptions } from "./group.ts";
import { DEFAULTS, type RedisSourceOptions } from "./options.ts";
import { patiently } from "./patience.ts";
import type { Entry } from "./recover.ts";

/** The source; its connection ends with it. */
export type RedisPreview = Source<AnyEvent> & AsyncDisposable;

/** Reads what no consumer of the group was given yet, from where the group is or would begin, and changes nothing. */
export function redisPreview(options: Omit<RedisSourceOptions, "consumer">): RedisPreview {
  const settings = { ...DEFAULTS, ...options };
  const link = redisLink(options.connection);

  async function* batches(stop: AbortSignal): AsyncGenerator<Batch<AnyEvent>, void> {
    try {
      const places = await patiently(() => beginnings(link, settings), stop);
      while (!stop.aborted) {
        const args = ["COUNT", String(settings.count), "BLOCK", String(settings.blockMs), "STREAMS", ...places.keys()];
        const read = ["XREAD", ...args, ...places.values()];
        const [first = ""] = places.keys();
        const found: [stream: string, entries: Entry[]][] | null = await patiently(
          () => link.send(first, read, { signal: stop, blockMs: settings.blockMs }),
          stop,
        );
        for (const [stream, entries] of found ?? []) {
          places.set(stream, entries.at(-1)![0]);
          yield batchOf(stream, entries, settings.raw ? (message) => [rawEntry(message)] : decodeEntry);
        }
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }

  return {
    key: `consume:${settings.group}`,
    open: ({ stop } = {}) => batchStream(stop, batches),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}

type Settings = Pick<GroupOptions, "streams" | "partitions" | "group" | "from">;

/** By stream, the id after which the group goes on. */
async function beginnings(link: RedisLink, { streams, partitions, group, from }: Settings) {
  const places = new Map<string, string>();
  for (const stream of streams) {
    for (const { name } of await findStreams(link, stream, { partitions })) {
      places.set(name, await beginning(link, name, group, from));
    }
  }
  return places;
}

async function beginning(link: RedisLink, stream: string, group: string, from: string): Promise<string> {
  try {
    const groups: unknown[][] = await link.send(stream, ["XINFO", "GROUPS", stream]);
    const own = groups.find((flat) => member(flat, "name") === group);
    if (own) return member(own, "last-delivered-id") as string;
    if (from === "oldest") return "0";
    return from === "new" ? member(await link.send(stream, ["XINFO", "STREAM", stream]), "last-generated-id") : from;
  } catch (error) {
    if (replyCode(error) === "ERR") return "0"; // no such key: whatever comes is new
    throw error;
  }
}

// deno-lint-ignore no-explicit-any -- replies have members of all types
function member(flat: readonly unknown[], name: string): any {
  return flat[flat.indexOf(name) + 1];
}

function batchOf(stream: string, entries: readonly Entry[], decode: typeof decodeEntry): Batch<AnyEvent> {
  const items: AnyEvent[] = [];
  const poison: Poison[] = [];
  for (const [id, fields] of entries) {
    try {
      items.push(...decode({ stream, id, fields: fields ?? [] }));
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      poison.push({ error, raw: fields?.[1] ?? "" });
    }
  }
  return { items, cursor: undefined, ...(poison.length > 0 && { poison }) };
}
