/**
 * Whether relays and labelers can be reached, what they still have, and whether they have what follows a position.
 *
 * @module
 */
import { decodeBody, isSeq, splitFrame } from "../../lib/atproto/frame.ts";
import { connect, type Outcome } from "../../lib/net/websocket.ts";
import type { Cursor } from "../../lib/pipeline/batch.ts";
import { PoisonError } from "../../lib/pipeline/errors.ts";
import type { Endpoint } from "../../lib/sources/live/endpoint.ts";
import { Judge } from "../../lib/sources/live/judge.ts";
import type { LivePlan } from "../../lib/sources/live/options.ts";
import { Place } from "../../lib/sources/live/place.ts";
import { USER_AGENT } from "../../lib/version.ts";
import { type Check, CHECK_MS, fail, type Finding, ok, skip, warn } from "./check.ts";
import { networkChecks } from "./network.ts";

/** How long a server is listened to: less than a check may take, so that checks which need the answer can go on without. */
const LISTEN_MS = CHECK_MS - 2000;
/** A server that says nothing for so long after the handshake has nothing to say. */
const QUIET_MS = 2000;

/** What a server says to a cursor first. */
interface Answer {
  /** The handshake went well after so many milliseconds. */
  readonly openedMs?: number;
  /** Why it did not. */
  readonly outcome?: Outcome;
  /** `#info`: the cursor is older than what there is. */
  readonly outdated?: boolean;
  /** An error frame. */
  readonly error?: string;
  /** The first numbered frame. */
  readonly seq?: number;
  readonly time?: string;
}

/** A server and what is being found out about it; no promise rejects. */
export interface Relay {
  readonly endpoint: Endpoint;
  /** To no cursor. */
  readonly live: Promise<Answer>;
  /** To the oldest one. */
  readonly oldest: Promise<Answer>;
  /** To any other one. */
  ask(cursor: number): Promise<Answer>;
}

/** Connects to every server of the plan. @param path Of the stream. */
export function examineRelays({ endpoints, maxFrameBytes }: LivePlan, path: string): readonly Relay[] {
  const signal = AbortSignal.timeout(LISTEN_MS);
  return endpoints.map((endpoint) => {
    const url = `${endpoint.ws}${path}`, options = { maxFrameBytes, signal };
    const live = listen(url, { ...options, isEnough: () => true });
    const ask = (cursor: number) => listen(`${url}?cursor=${cursor}`, { ...options, isEnough: tells });
    return { endpoint, live, oldest: live.then(({ openedMs }) => openedMs === undefined ? {} : ask(0)), ask };
  });
}

/** The checks of a server; one that fails ends the run of all, or is asked for ever. */
export function relayChecks({ endpoint, live, oldest }: Relay): Check[] {
  const { host } = endpoint;
  return [
    ...networkChecks(host, new URL(endpoint.http)),
    {
      name: `handshake ${host}`,
      needs: `dns ${host}`,
      async run() {
        const { openedMs, outcome } = await live;
        if (openedMs !== undefined) return ok(`connected within ${openedMs} ms`);
        if (outcome!.kind === "stopped") throw new Error(`Cannot connect: no answer within ${LISTEN_MS / 1000} s`);
        throw new Judge(host).failureOf(outcome!);
      },
    },
    {
      name: `window ${host}`,
      optional: true,
      run: async () => (await live).openedMs === undefined ? skip("no connection") : windowFinding(await oldest),
    },
  ];
}

/** Whether a run would get everything that follows a position. @throws {ConfigError} For a position that cannot be read. */
export async function checkRelayPosition(relay: Relay, saved: Cursor | undefined, plan: LivePlan): Promise<Finding> {
  const { begin, cursor, until, onFutureCursor } = plan;
  const { host } = relay.endpoint;
  const place = new Place({ source: "doctor", host, begin });
  place.start(saved, cursor);
  const { seq } = place;
  if (seq === undefined || seq === 0) {
    const where = seq === 0 ? "with the oldest frame" : "live";
    return ok(saved === undefined && cursor === undefined ? `none is saved: begins ${where}` : `begins ${where}`);
  }
  if (seq >= until) return ok(`${seq}: nothing is left up to ${until}`);
  const [{ openedMs }, oldest] = await Promise.all([relay.live, relay.oldest]);
  if (openedMs === undefined) return skip(`${seq}; no connection to ${host}`);
  const first = await relay.ask(seq);
  if (first.error === "FutureCursor" || (first.seq ?? seq) < seq) {
    const words = `${host} has not come to ${seq} yet: its numbers have begun anew, or it is another one`;
    if (onFutureCursor !== "stop") return warn(`${words}; begins ${onFutureCursor}`);
    return fail(words, "Say where to begin with --on-future-cursor live or oldest");
  }
  const next = Math.max(first.outdated ? first.seq ?? 0 : 0, oldest.seq ?? 0);
  if (next > seq + 1) return warn(`${host} no longer has ${seq + 1} to ${next - 1}`, "The run records the gap");
  return ok(`goes on behind ${seq} at ${host}`);
}

function windowFinding({ seq, time = "" }: Answer): Finding {
  if (seq === undefined) return skip("the server did not tell");
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return ok(`back to ${seq}`);
  return ok(`back to ${seq}, ${new Date(ms).toISOString()}, ${((Date.now() - ms) / 3600e3).toFixed(1)} h`);
}

const tells = ({ seq, error }: Answer) => seq !== undefined || error !== undefined;

interface ListenOptions {
  readonly maxFrameBytes: number;
  readonly signal: AbortSignal;
  /** Whether to hang up. */
  readonly isEnough: (answer: Answer) => boolean;
}

/** Connects and listens until there is enough, or nothing more comes. */
async function listen(url: string, { maxFrameBytes, signal, isEnough }: ListenOptions): Promise<Answer> {
  const enough = new AbortController();
  const begun = Date.now();
  const connection = connect(url, {
    headers: { "User-Agent": USER_AGENT },
    maxPayload: maxFrameBytes,
    ...{ liveMs: 0, silentMs: 0, pausedMs: LISTEN_MS },
    signal: AbortSignal.any([signal, enough.signal]),
  });
  if (!await connection.opened) return { outcome: await connection.closed };
  let answer: Answer = { openedMs: Date.now() - begun };
  const quiet = setTimeout(() => enough.abort(), QUIET_MS);
  try {
    if (isEnough(answer)) return answer;
    for await (const { data } of connection.frames) {
      for (const frame of data) {
        answer = { ...answer, ...read(frame) };
        if (isEnough(answer)) return answer;
      }
    }
    return answer;
  } finally {
    clearTimeout(quiet);
    enough.abort();
    await connection.closed;
  }
}

function read(bytes: Uint8Array): Answer {
  try {
    const frame = splitFrame(bytes);
    if (frame.kind === "error") return { error: frame.error };
    if (frame.kind === "ignored") return {};
    const { seq, time, name } = decodeBody(frame.body);
    if (frame.type === "#info") return { outdated: name === "OutdatedCursor" };
    return isSeq(seq) ? { seq, ...(typeof time === "string" && { time }) } : {};
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    return {};
  }
}
