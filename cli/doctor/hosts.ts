/**
 * Whether Jetstream's servers can be reached and take what a run would ask for, and how far back they reach.
 *
 * @module
 */
import { KINDS } from "../../lib/atproto/event.ts";
import { connect, type Outcome } from "../../lib/net/websocket.ts";
import { Hosts } from "../../lib/sources/jetstream/hosts.ts";
import type { Plan } from "../../lib/sources/jetstream/options.ts";
import { parseV1, parseV2 } from "../../lib/sources/jetstream/parse.ts";
import {
  buildUrl,
  type Endpoint,
  MICROSECONDS_FROM,
  type Request,
  type Wire,
} from "../../lib/sources/jetstream/url.ts";
import { USER_AGENT } from "../../lib/version.ts";
import { type Check, CHECK_MS, type CheckResult, type Finding, ok, runChecks, skip, warn } from "./check.ts";
import { networkChecks } from "./network.ts";

/** How long a server is listened to: less than a check may take, so that checks which need the answer can go on without. */
const LISTEN_MS = CHECK_MS - 2000;

/** How a handshake ended. */
export type Handshake =
  | { readonly opened: true; readonly wire: Wire; readonly ms: number }
  | { readonly opened: false; readonly wire: Wire; readonly status: number | undefined; readonly error: unknown };

/** A server and what is being found out about it; neither promise rejects. */
export interface Host {
  readonly endpoint: Endpoint;
  readonly url: URL;
  readonly handshake: Promise<Handshake>;
  /** The time of the oldest event that it still has, in microseconds since 1970; `undefined` where it does not tell. */
  readonly oldest: Promise<number | undefined>;
}

/** Connects to every server of the plan. */
export function examineHosts(plan: Plan): readonly Host[] {
  const signal = AbortSignal.timeout(LISTEN_MS);
  return plan.endpoints.map((endpoint) => {
    const handshake = shakeHands(plan, endpoint, signal);
    const oldest = handshake.then((hands) => hands.opened ? findOldest(plan, endpoint, hands.wire, signal) : undefined)
      .catch(() => undefined);
    return { endpoint, url: new URL(endpoint.v1), handshake, oldest };
  });
}

/** The checks of all hosts. A host that fails is only worth a warning while another one works. */
export async function checkHosts(hosts: readonly Host[], wire: Plan["wire"]): Promise<CheckResult[]> {
  const results = await runChecks(hosts.flatMap((host) => checksOf(host, wire)));
  const working = (await Promise.all(hosts.map(({ handshake }) => handshake))).some(({ opened }) => opened);
  if (!working) return results;
  return results.map((result) => {
    if (result.verdict !== "fail") return result;
    return { ...result, verdict: "warn", hint: result.hint ?? "The run goes on with another host" };
  });
}

function checksOf({ endpoint, url, handshake, oldest }: Host, wire: Plan["wire"]): Check[] {
  const { host } = endpoint;
  return [
    ...networkChecks(host, url),
    {
      name: `handshake ${host}`,
      needs: `dns ${host}`,
      run: async () => {
        const hands = await handshake;
        if (!hands.opened) throw hands.error;
        return ok(`connected within ${hands.ms} ms, wire ${hands.wire}`);
      },
    },
    {
      name: `window ${host}`,
      optional: true,
      run: async () => (await handshake).opened ? windowFinding(await oldest) : skip("no connection"),
    },
    { name: `wire ${host}`, run: async () => wireFinding(await handshake, wire) },
  ];
}

function windowFinding(oldest: number | undefined): Finding {
  if (oldest === undefined) return skip("the server did not tell");
  const hours = (Date.now() * 1000 - oldest) / 3600e6;
  return ok(`back to ${new Date(oldest / 1000).toISOString()}, ${hours.toFixed(1)} h`);
}

function wireFinding(hands: Handshake, wanted: Plan["wire"]): Finding {
  if (hands.opened) return ok(`${hands.wire} (${wanted === "auto" ? "auto" : "as asked for"})`);
  if (hands.status !== 404) return skip("no connection");
  return warn(`${hands.wire} is not served here`, wanted === "auto" ? undefined : "Use --wire auto");
}

/** Shakes hands as a run would, live, and says goodbye. */
async function shakeHands(plan: Plan, endpoint: Endpoint, signal: AbortSignal): Promise<Handshake> {
  const hosts = new Hosts({ ...plan, endpoints: [endpoint] });
  for (;;) {
    const wire = await hosts.wire(signal);
    const begun = Date.now();
    const { filter, maxMessageBytes } = plan;
    const request = { wire, filter, cursor: undefined, maxMessageBytes };
    const { opened, outcome } = await dial(plan, endpoint, request, signal);
    if (opened) return { opened, wire, ms: Date.now() - begun };
    const status = outcome.kind === "refused" ? outcome.status : undefined;
    try {
      if (outcome.kind === "stopped") throw new Error(`Cannot connect: no answer within ${LISTEN_MS / 1000} s`);
      const step = hosts.judge({ outcome, opened, progressed: false, afterHello: false });
      if ("failure" in step) throw step.failure;
    } catch (error) {
      return { opened, wire, status, error };
    }
  }
}

async function dial(
  { maxFrameBytes }: Plan,
  endpoint: Endpoint,
  request: Request,
  signal: AbortSignal,
): Promise<{ readonly opened: boolean; readonly outcome: Outcome }> {
  const enough = new AbortController();
  const connection = connect(buildUrl(endpoint, request), {
    ...connectOptions(maxFrameBytes),
    signal: AbortSignal.any([signal, enough.signal]),
  });
  const opened = await connection.opened;
  enough.abort();
  return { opened, outcome: await connection.closed };
}

/** Asks for everything from long ago: the first event that comes is the oldest one. */
async function findOldest(
  { maxFrameBytes }: Plan,
  endpoint: Endpoint,
  wire: Wire,
  signal: AbortSignal,
): Promise<number | undefined> {
  const filter = { kinds: new Set(KINDS), collections: undefined, dids: undefined };
  const request = { wire, filter, cursor: MICROSECONDS_FROM, maxMessageBytes: 0 };
  const connection = connect(buildUrl(endpoint, request), { ...connectOptions(maxFrameBytes), signal });
  try {
    for await (const { data } of connection.frames) {
      for (const message of data) {
        const time = timeOf(message.toString(), wire, endpoint.host);
        if (time !== undefined) return time;
      }
    }
    return undefined;
  } finally {
    await connection.closed;
  }
}

function timeOf(text: string, wire: Wire, host: string): number | undefined {
  const message = (wire === "v1" ? parseV1 : parseV2)(text, { source: "jetstream", wire, host });
  return "time_us" in message ? message.time_us : undefined;
}

function connectOptions(maxPayload: number) {
  return { headers: { "User-Agent": USER_AGENT }, maxPayload, liveMs: 0, silentMs: 0, pausedMs: LISTEN_MS };
}
