/**
 * Which host still has what another one has left out: each is asked from when on it sends events.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { KINDS } from "../../atproto/event.ts";
import { textOf } from "../../net/text.ts";
import type { Frames } from "../../net/websocket.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { USER_AGENT } from "../../version.ts";
import type { Filter } from "./filter.ts";
import { Hosts } from "./hosts.ts";
import type { Plan } from "./options.ts";
import { parseV1, parseV2 } from "./parse.ts";
import type { Track } from "./track.ts";
import { buildUrl, type Endpoint, type Wire } from "./url.ts";

const log = getLogger(["bskyingest", "jetstream"]);

/** How long a host may take to send its first event, in milliseconds. */
const PATIENCE_MS = 10_000;
/** Nothing is filtered, so that the first event comes at once and is the oldest there is. */
const EVERYTHING: Filter = { kinds: new Set(KINDS), collections: undefined, dids: undefined };

/** A host, and from when on it sends events. */
export interface HostStart {
  readonly host: string;
  /** The time of its first event, in microseconds. */
  readonly startUs: number;
}

/**
 * Asks every host of the list for `cursor` (microseconds), all at once. The answer is those that sent an event, the one that begins
 * earliest first, in the order of the list where it makes no difference.
 */
export async function findStarts(plan: Plan, cursor: number, stop: AbortSignal): Promise<HostStart[]> {
  const starts = await Promise.all(plan.endpoints.map(async (endpoint) => {
    const startUs = await firstTime(plan, endpoint, cursor, AbortSignal.any([stop, AbortSignal.timeout(PATIENCE_MS)]));
    return startUs === undefined ? [] : [{ host: endpoint.host, startUs }];
  }));
  // What is older than asked for is as good as what was asked for.
  return starts.flat().sort((a, b) => Math.max(a.startUs, cursor) - Math.max(b.startUs, cursor));
}

/**
 * Looks for the host that begins earliest, for the gap that `track` expects, and notes it there.
 *
 * @returns The host; undefined: none has answered.
 */
export async function searchHosts(plan: Plan, track: Track, stop: AbortSignal): Promise<string | undefined> {
  const { host, from } = track.expected!;
  const cursor = from! - plan.overlapUs;
  log.warn("{host} has left out what came after {from}: asking every host for it", { host, from: timeText(from!) });
  const [best] = await findStarts(plan, cursor, stop);
  if (best === undefined) return undefined;
  log.info("Going on at {host}, which begins at {start}", { host: best.host, start: timeText(best.startUs) });
  track.found(best);
  return best.host;
}

function timeText(us: number): string {
  return new Date(us / 1000).toISOString();
}

/** The time of the first event that a host sends; undefined where none came in time. */
async function firstTime(
  plan: Plan,
  endpoint: Endpoint,
  cursor: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const wire = await new Hosts({ ...plan, endpoints: [endpoint] }).wire(signal);
  const { connect } = await import("../../net/websocket.ts");
  const own = new AbortController();
  const connection = connect(buildUrl(endpoint, { wire, filter: EVERYTHING, cursor, maxMessageBytes: 0 }), {
    headers: { "User-Agent": USER_AGENT },
    maxPayload: plan.maxFrameBytes,
    liveMs: 0,
    silentMs: 0,
    pausedMs: 0,
    signal: AbortSignal.any([signal, own.signal]),
  });
  try {
    for await (const chunk of connection.frames) {
      const time = timeIn(chunk, wire, endpoint.host);
      if (time !== undefined) return time;
    }
    return undefined;
  } finally {
    own.abort();
    await connection.closed;
  }
}

/** The time of the first message that is an event. */
function timeIn({ data }: Frames, wire: Wire, host: string): number | undefined {
  const origin = { source: "jetstream", wire, host } as const;
  for (const message of data) {
    try {
      const text = textOf(message);
      const event = wire === "v1" ? parseV1(text, origin) : parseV2(text, origin);
      if (!("notice" in event)) return event.time_us;
    } catch (error) {
      // What cannot be read tells no time, whether it is text or no UTF-8.
      if (!(error instanceof PoisonError || error instanceof TypeError)) throw error;
    }
  }
  return undefined;
}
