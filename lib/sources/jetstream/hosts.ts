/**
 * Which host to read, on which wire, and what follows from how a connection ended.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Outcome } from "../../net/websocket.ts";
import { ConfigError, FatalError, TransientError } from "../../pipeline/errors.ts";
import type { Plan } from "./options.ts";
import { type Endpoint, MOST_DIDS_IN_URL, type Wire } from "./url.ts";

const log = getLogger(["bskyingest", "jetstream"]);

/** Failures in a row after which the next host is tried. */
const MOST_FAILURES = 3;
const PROBE_MS = 5000;

/** What to do next. `failure`: wait first, as the back-off says. */
export type Step =
  | { readonly step: "again" }
  | { readonly step: "again"; readonly failure: TransientError }
  | { readonly step: "stop" };

/** What happened on a connection. */
export interface Ending {
  readonly outcome: Outcome;
  /** The handshake went well. */
  readonly opened: boolean;
  /** An event came that was no copy. */
  readonly progressed: boolean;
  /** Our `options_update` was the last thing that the server heard. */
  readonly afterHello: boolean;
}

/** The list of hosts and what is known of each. */
export class Hosts {
  readonly #plan: Plan;
  #index = 0;
  #failures = 0;
  /** Whether any host ever accepted our parameters. */
  #accepted = false;
  readonly #wires = new Map<Endpoint, Wire>();
  readonly #triedBoth = new Set<Endpoint>();
  /** The words of each host that refused us for good, until one accepts. */
  readonly #refusals = new Map<Endpoint, string>();
  #protocolErrors = 0;
  readonly #brokenHosts = new Set<Endpoint>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  get current(): Endpoint {
    return this.#plan.endpoints[this.#index]!;
  }

  /** Begins with the host of the saved position where it is still listed: only there its sequence number counts. */
  prefer(host: string | undefined): void {
    const index = this.#plan.endpoints.findIndex((e) => e.host === host);
    if (index >= 0) this.#index = index;
  }

  next(): void {
    this.#index = (this.#index + 1) % this.#plan.endpoints.length;
    this.#failures = 0;
    this.#protocolErrors = 0;
    if (this.#plan.endpoints.length > 1) log.info("Trying the next host: {host}", { host: this.current.host });
  }

  /** The wire of the current host, asking it where nothing tells. */
  async wire(signal: AbortSignal): Promise<Wire> {
    const endpoint = this.current;
    if (this.#plan.wire !== "auto") return this.#plan.wire;
    const known = this.#wires.get(endpoint);
    if (known) return known;
    const hello = (this.#plan.filter.dids?.length ?? 0) > MOST_DIDS_IN_URL;
    const wire = hello ? "v1" : endpoint.wire ?? await probe(endpoint, signal);
    if (!signal.aborted) this.#wires.set(endpoint, wire);
    return wire;
  }

  /**
   * What an ending leads to.
   *
   * @throws {ConfigError} where no host will ever accept what we ask.
   */
  judge(ending: Ending): Step {
    const { outcome } = ending;
    if (ending.opened) {
      this.#accepted = true;
      this.#refusals.clear();
    }
    if (ending.progressed) {
      this.#failures = this.#protocolErrors = 0;
      this.#brokenHosts.clear();
    }
    switch (outcome.kind) {
      case "stopped":
        return { step: "stop" };
      case "paused":
        return { step: "again" };
      case "oversize":
        return { step: "again" };
      case "refused":
        return this.#refused(outcome);
      case "dead":
      case "silent":
        return this.#silent(outcome.kind);
      case "failed":
        return this.#failed(outcome.error);
      case "closed":
        return this.#closed(outcome, ending);
    }
  }

  #closed({ code, reason }: Extract<Outcome, { kind: "closed" }>, ending: Ending): Step {
    const words = `the server closed with ${code}${reason ? ` "${reason}"` : ""}`;
    if (ending.afterHello && [1007, 1008, 1009].includes(code)) {
      throw new ConfigError(`Cannot subscribe at ${this.current.host}: it refused our options: ${reason || code}`);
    }
    if ([1002, 1003, 1007].includes(code) && ++this.#protocolErrors >= MOST_FAILURES) {
      this.#brokenHosts.add(this.current);
      if (this.#brokenHosts.size === this.#plan.endpoints.length) {
        throw new FatalError(`Cannot read from ${this.current.host}: ${words}, three times in a row on every host`);
      }
      this.next();
      return { step: "again", failure: new TransientError(`Cannot read on: ${words}`) };
    }
    return this.#failed(words);
  }

  #silent(kind: "dead" | "silent"): Step {
    const what = kind === "dead" ? "no sign of life" : "no events";
    const failure = new TransientError(`Cannot read from ${this.current.host}: ${what} within the idle timeout`);
    this.next();
    return { step: "again", failure };
  }

  #failed(words: string, retryAfterMs?: number): Step {
    const failure = new TransientError(`Cannot read from ${this.current.host}: ${words}`, { retryAfterMs });
    if (++this.#failures >= MOST_FAILURES) this.next();
    return { step: "again", failure };
  }

  #refused({ status, body, retryAfterMs }: Extract<Outcome, { kind: "refused" }>): Step {
    const endpoint = this.current;
    const words = `HTTP ${status}${body ? `: ${body.trim()}` : ""}`;
    if (status === 408 || status === 429 || status >= 500) return this.#failed(words, retryAfterMs);
    const wire = this.#wires.get(endpoint);
    if (status === 404 && wire && !this.#triedBoth.has(endpoint)) {
      this.#triedBoth.add(endpoint);
      this.#wires.set(endpoint, wire === "v1" ? "v2" : "v1");
      log.info("{host} does not serve the {wire} wire: trying the other one", { host: endpoint.host, wire });
      return { step: "again" };
    }
    if (status === 414 || status === 431) {
      throw new ConfigError(`Cannot subscribe at ${endpoint.host}: the URL is too long for it (HTTP ${status})`, {
        hint: "Use --wire v1, which sends many DIDs in a message",
      });
    }
    this.#refusals.set(endpoint, words);
    const everywhere = this.#refusals.size === this.#plan.endpoints.length;
    if (everywhere && (status !== 400 || !this.#accepted)) throw refusedByAll(this.#refusals);
    this.next();
    return { step: "again", failure: new TransientError(`Cannot read from ${endpoint.host}: ${words}`) };
  }
}

function refusedByAll(refusals: ReadonlyMap<Endpoint, string>): ConfigError {
  const [first, ...others] = [...refusals].map(([{ host }, words]) => `Cannot subscribe at ${host}: ${words}`);
  return new ConfigError([first!, ...others]);
}

/** Asks a host that nobody knows whether it serves the v2 path: a plain GET is checked as a handshake would be. */
async function probe(endpoint: Endpoint, signal: AbortSignal): Promise<Wire> {
  const url = endpoint.v2.replace(/^ws/, "http");
  try {
    const timeout = AbortSignal.timeout(PROBE_MS);
    const response = await fetch(url, { signal: AbortSignal.any([signal, timeout]), redirect: "manual" });
    const body = await response.text();
    if (response.status === 404) return "v1";
    if (response.status === 426) return "v2";
    if ((response.status === 400 || response.status === 503) && isXrpcError(body)) return "v2";
    log.info("{host} does not tell which wire it serves (HTTP {status}): trying v1", {
      host: endpoint.host,
      status: response.status,
    });
  } catch {
    // Whatever is wrong shows at the handshake, with better words.
  }
  return "v1";
}

function isXrpcError(body: string): boolean {
  try {
    return typeof JSON.parse(body)?.error === "string";
  } catch {
    return false;
  }
}
