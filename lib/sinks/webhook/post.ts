/**
 * One POST: over a connection whose address was looked at, within its time.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { checkHostname, guardedLookup, PrivateAddressError, PublicAddressError } from "../../net/guard.ts";
import { messageOf } from "../../pipeline/errors.ts";
import { guardOf, shownUrl } from "./address.ts";
import type { WebhookTarget } from "./options.ts";
import type { Answer, Failure } from "./outcome.ts";

/** So much of an answer's body is read, and so much of that is kept, in bytes. */
const MOST_READ = 8192, MOST_KEPT = 1024;
/** How long an answer's body may take, in milliseconds. */
const BODY_MS = 5000;
/** Control characters, and marks that turn the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}]+/gu;

/** Sends requests to one URL over connections that are kept. */
export interface Poster extends Disposable {
  /** Never rejects. Aborting gives up, which shows as a failure of the connection. */
  post(body: Uint8Array, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Answer>;
}

/** Options of {@link createPoster}. */
export interface PosterOptions extends WebhookTarget {
  /** Until the head of the answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Connections at most. */
  readonly concurrency: number;
}

/** A request that was sent, or is on its way. */
interface Sent {
  readonly request: ClientRequest;
  /** The head of the answer. */
  readonly head: Promise<IncomingMessage>;
}

/** Opens no connection yet. */
export function createPoster(options: PosterOptions): Poster {
  const { timeoutMs, concurrency, ca } = options;
  const url = new URL(options.url);
  const secure = url.protocol === "https:";
  const guard = guardOf(url, options);
  const settings = { keepAlive: true, maxSockets: concurrency, lookup: guardedLookup(guard) };
  const agent = secure ? new HttpsAgent({ ...settings, ...(ca !== undefined && { ca }) }) : new HttpAgent(settings);
  const send = secure ? httpsRequest : httpRequest;

  function begin(body: Uint8Array, headers: Readonly<Record<string, string>>): Sent {
    checkHostname(url.hostname, guard);
    const length = String(body.length);
    const request = send(url, { method: "POST", agent, headers: { ...headers, "Content-Length": length } });
    const head = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", reject);
    });
    request.end(body);
    return { request, head };
  }

  /** Whether the connection was there when the time was up. */
  const isConnected = ({ socket }: ClientRequest) => socket !== null && socket !== undefined && !socket.connecting;

  async function attempt(
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<Answer & { readonly stale?: boolean }> {
    let sent: Sent | undefined;
    // A request that is destroyed does not always say so.
    const over = Promise.withResolvers<Failure>();
    const giveUp = (failure: "timeout" | "connect", text: string) => {
      over.resolve({ failure, text });
      sent?.request.destroy();
    };
    const late = () =>
      giveUp(sent && isConnected(sent.request) ? "timeout" : "connect", `No answer within ${timeoutMs / 1000} s`);
    const timer = setTimeout(late, timeoutMs);
    const abort = () => giveUp("connect", "Given up");
    signal?.addEventListener("abort", abort, { once: true });
    try {
      signal?.throwIfAborted();
      sent = begin(body, headers);
      const response = await Promise.race([sent.head, over.promise]);
      clearTimeout(timer);
      return "failure" in response ? response : await answerOf(response, url);
    } catch (error) {
      const stale = sent?.request.reusedSocket ?? false;
      return { failure: failureOf(error), text: messageOf(error), stale };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  return {
    async post(body, headers, signal) {
      const answer = await attempt(body, headers, signal);
      // A kept connection that the receiver has closed meanwhile says nothing of the receiver.
      return answer.stale && !signal?.aborted ? await attempt(body, headers, signal) : answer;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

async function answerOf(response: IncomingMessage, url: URL): Promise<Answer> {
  const { statusCode: status = 0, headers: { "retry-after": retryAfter, location } } = response;
  const text = printable(await beginningOf(response));
  return { status, retryAfter, location: location === undefined ? undefined : shownLocation(location, url), text };
}

/** Its first bytes. Where there are more, or they are slow, the connection is given up. */
async function beginningOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => response.destroy(), BODY_MS);
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MOST_READ) break;
    }
  } catch {
    // The status counts, whatever becomes of the body.
  } finally {
    clearTimeout(timer);
    if (!response.complete) response.destroy();
  }
  return Buffer.concat(chunks).subarray(0, MOST_KEPT);
}

function printable(bytes: Buffer): string {
  return bytes.toString("utf8").replaceAll(UNPRINTABLE, " ").trim();
}

/** Without its query, which may repeat ours. */
function shownLocation(location: string, base: URL): string {
  return URL.canParse(location, base) ? shownUrl(new URL(location, base).href) : "no URL";
}

function failureOf(error: unknown): "connect" | "tls" | "dns" {
  if (error instanceof PrivateAddressError || error instanceof PublicAddressError) return "connect";
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const text = `${code} ${message}`;
  if (/CERT|SIGNATURE|TLS|SSL|certificate|handshake/i.test(text)) return "tls";
  return /ENOTFOUND|EAI_|getaddrinfo|No address of/.test(text) ? "dns" : "connect";
}
