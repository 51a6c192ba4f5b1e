/**
 * Who may ask the operations server for what.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { hostIn, isOwnHost } from "./address.ts";
import { errorAnswer, type OpsAnswer, type OpsRequest } from "./message.ts";

/** Probes that carry no token ask for these. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/health", "/healthz", "/readyz"]);

const MOST_WRONG = 10, WRONG_MS = 60_000;
/** Addresses whose wrong tokens are remembered. */
const MOST_ADDRESSES = 1000;

/** What {@link createAccess} goes by. */
export interface AccessOptions {
  /** Undefined: reading is open to everybody, changing to nobody. */
  readonly token: string | undefined;
  /** Host names that we answer to besides addresses and `localhost`, in lower case. */
  readonly hosts: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Answers requests that are not allowed; undefined: go on. */
export type Access = (request: OpsRequest) => OpsAnswer | undefined;

/** Makes the rules. */
export function createAccess({ token, hosts, now = Date.now }: AccessOptions): Access {
  const wrong = new WrongTokens(now);

  function checkToken(request: OpsRequest): OpsAnswer | undefined {
    const { address } = request;
    if (wrong.tooMany(address)) {
      const headers = { "Retry-After": String(WRONG_MS / 1000) };
      return errorAnswer(429, "TooManyRequests", "Too many wrong tokens: wait a minute", headers);
    }
    const given = tokenIn(request);
    if (given !== undefined && isSame(given, token!)) return undefined;
    if (given !== undefined) wrong.note(address);
    return errorAnswer(401, "AuthenticationRequired", "The token is missing or wrong", {
      "WWW-Authenticate": 'Basic realm="bskyingest", charset="UTF-8"',
    });
  }

  return (request) => {
    const foreign = checkHost(request, hosts) ?? checkOrigin(request);
    if (foreign) return foreign;
    const reads = isReading(request);
    if (token !== undefined) return reads && OPEN_PATHS.has(request.path) ? undefined : checkToken(request);
    if (request.method !== "POST") return undefined;
    return errorAnswer(403, "TokenNotConfigured", "Nothing can be changed: no --listen-token is set");
  };
}

function isReading({ method }: OpsRequest): boolean {
  return method === "GET" || method === "HEAD";
}

function checkHost(request: OpsRequest, hosts: ReadonlySet<string>): OpsAnswer | undefined {
  const host = hostIn(request.header("host") ?? "");
  if (host !== undefined && isOwnHost(host, hosts)) return undefined;
  return errorAnswer(403, "HostNotAllowed", "This host name is not ours: see --listen-host");
}

/** A page of another host can send us a POST, but not without saying so. */
function checkOrigin(request: OpsRequest): OpsAnswer | undefined {
  const origin = request.header("origin");
  if (request.method !== "POST" || origin === undefined) return undefined;
  if (URL.canParse(origin) && new URL(origin).host === request.header("host")?.toLowerCase()) return undefined;
  return errorAnswer(403, "OriginNotAllowed", "This request comes from a page of another host");
}

/** `Authorization: Bearer`, or for reading Basic with the token as password. */
function tokenIn(request: OpsRequest): string | undefined {
  const [, scheme = "", value = ""] = /^(\S+) +(.+)$/.exec(request.header("authorization") ?? "") ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic" || !isReading(request)) return undefined;
  const pair = Buffer.from(value, "base64").toString("utf8");
  return pair.slice(pair.indexOf(":") + 1);
}

/** Digests are compared, which have one length and tell nothing by the time that it takes. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Wrong tokens of the last minute, by address. */
class WrongTokens {
  readonly #times = new Map<string, number[]>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  tooMany(address: string): boolean {
    return this.#recent(address).length >= MOST_WRONG;
  }

  note(address: string): void {
    const times = [...this.#recent(address), this.#now()];
    this.#times.delete(address);
    this.#times.set(address, times);
    if (this.#times.size > MOST_ADDRESSES) this.#times.delete(this.#times.keys().next().value!);
  }

  #recent(address: string): number[] {
    return (this.#times.get(address) ?? []).filter((at) => this.#now() - at < WRONG_MS);
  }
}
