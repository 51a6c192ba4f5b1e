/**
 * Gaps of `firehose`, `labeler` and `backfill`: their host is asked once more.
 *
 * @module
 */
import type { AnyEvent } from "../../../lib/atproto/event.ts";
import { seqOf, splitFrame } from "../../../lib/atproto/frame.ts";
import type { Frames } from "../../../lib/net/websocket.ts";
import { PoisonError } from "../../../lib/pipeline/errors.ts";
import { batchStream, type Source } from "../../../lib/pipeline/source.ts";
import { firehose } from "../../../lib/sources/firehose.ts";
import { labels } from "../../../lib/sources/labels.ts";
import { listRepos } from "../../../lib/sources/list_repos.ts";
import { readHosts } from "../../../lib/sources/live/endpoint.ts";
import type { LiveOptions } from "../../../lib/sources/live/options.ts";
import type { CommandContext } from "../../kit/command.ts";
import type { firehoseOptions, labelerOptions } from "../../options/firehose.ts";
import { firehoseOf } from "../live_sources.ts";
import { BACKOFF, readPiece, stillMissing } from "./piece.ts";
import { type Bounds, HEALED, type Healer, NOT_PASSED, open, STOPPED } from "./verdict.ts";

/** A stream without a frame for so long has nothing more to say, in milliseconds; less than what makes a connection a good one. */
const SILENT_MS = 20_000;
/** The host, and so the time of an event, is the same. */
const WITHIN_US = 1e6;

/** Reads frames of relays again. @param rsky See {@link firehoseOf}. */
export function firehoseHealer(context: CommandContext<typeof firehoseOptions>, rsky: boolean): Healer {
  const { maxFrameBytes, strict, relayHosts } = context.values;
  return numbered(relayHosts, (options) => {
    const settings = firehoseOf(context, { maxFrameBytes, strict, ...options }, rsky);
    return firehose({ ...settings, dedupe: false });
  });
}

/** Reads frames of labelers again. */
export function labelerHealer({ values }: CommandContext<typeof labelerOptions>): Healer {
  const { maxFrameBytes, strict, labelerHosts } = values;
  return numbered(labelerHosts, (options) => labels({ maxFrameBytes, strict, ...options }));
}

/** Reads frames with the numbers of a gap from its host. */
function numbered(hosts: readonly string[], makeSource: (options: LiveOptions) => Source<AnyEvent>): Healer {
  return async (row, delivery) => {
    const { id, key, host, from, to } = row as Bounds;
    const saved = await delivery.positions?.load(key);
    if (saved !== undefined && Number(saved) < to) return open(NOT_PASSED);
    const isInside = (seq: number | undefined) => seq !== undefined && seq >= from && seq <= to;
    let frames = 0;
    const options: LiveOptions = {
      hosts: [nameOf(host, hosts)],
      cursor: from - 1,
      until: to,
      idleTimeout: SILENT_MS,
      backoff: BACKOFF,
      tap: (entry) => {
        if (entry.type === "frames") frames += numbersOf(entry.frames).filter(isInside).length;
      },
    };
    const piece = await readPiece({
      key: `heal:${id}`,
      open: ({ stop }) => makeSource(options).open(stop ? { stop } : {}),
      wanted: (event) => "seq" in event && isInside(event.seq),
      withinUs: WITHIN_US,
    }, delivery);
    if (piece.stopped) return STOPPED;
    if (piece.failure !== undefined) return open(piece.failure);
    const missing = stillMissing(piece.gaps, to);
    if (missing !== undefined) return open(`${host} no longer has all of it`, missing);
    return frames > 0 ? HEALED : open(`${host} has nothing of it`);
  };
}

/** Lists again what was left out of a list. */
export function backfillHealer(hosts: readonly string[]): Healer {
  return async (row, delivery) => {
    const { id, host, from, to } = row as Bounds;
    const source = listRepos({ hosts: [nameOf(host, hosts)], pageSize: 1, backoff: BACKOFF });
    const cursor = from > 0 ? String(from) : undefined;
    const firstPage = () =>
      batchStream(delivery.stop, async function* (stop) {
        for await (const page of source.open({ cursor, stop })) {
          if (page.cursor === undefined) continue; // what comes right before a failure
          // A host that can pass over the entry has none there any more.
          const isBehind = Number(page.cursor) > to;
          yield isBehind ? { ...page, items: [], poison: [], filtered: page.items.length } : page;
          return;
        }
      });
    const piece = await readPiece({ key: `heal:${id}`, open: firstPage, withinUs: WITHIN_US }, delivery);
    if (piece.stopped) return STOPPED;
    return piece.failure === undefined ? HEALED : open(piece.failure);
  };
}

/** How the user calls a host: with a scheme where it is without encryption. */
function nameOf(host: string, named: readonly string[]): string {
  return named.find((name) => readHosts([name], undefined, [])[0]?.host === host) ?? host;
}

function numbersOf({ data, binary }: Frames): (number | undefined)[] {
  return data.map((bytes, i) => {
    try {
      const frame = binary[i] ? splitFrame(bytes) : undefined;
      return frame?.kind === "message" ? seqOf(frame.body) : undefined;
    } catch (error) {
      if (error instanceof PoisonError) return undefined;
      throw error;
    }
  });
}
