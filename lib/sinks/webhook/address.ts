/**
 * Where a webhook may be.
 *
 * @module
 */
import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  type Address,
  checkHostname,
  guardedAddresses,
  guardedLookup,
  type GuardOptions,
  PrivateAddressError,
  PublicAddressError,
} from "../../net/guard.ts";
import { hostAndPort, requireNet } from "../../net/permission.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import type { WebhookTarget } from "./options.ts";

/** What is let through at every connection: plain HTTP stays where nobody else listens, unless that is allowed too. */
export function guardOf(url: URL, { allowPrivate = false, allowHttp = false, lookup }: WebhookTarget): GuardOptions {
  return { allowPrivate, allowPublic: allowHttp || url.protocol === "https:", ...(lookup && { lookup }) };
}

/** A URL as it may be shown: without query, user, password and fragment. */
export function shownUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/**
 * Reads the URL, and sees that it leads to where events may go. A name that has no address at the moment may have one later.
 *
 * @throws {ConfigError}
 */
export async function checkTarget(target: WebhookTarget): Promise<URL> {
  const url = readUrl(target.url);
  const shown = shownUrl(target.url);
  const guard = guardOf(url, target);
  try {
    checkHostname(url.hostname, guard);
    if (isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0) requireNet(hostAndPort(url));
    else {
      const [first, ...others] = await guardedAddresses(url.hostname, guard);
      requireNet(dialled(url, first!), ...others.map((address) => dialled(url, address)));
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    // Any other failure is one of the name server: requests will meet it again, and be repeated.
    if (error instanceof PrivateAddressError) {
      throw new ConfigError(`Cannot use webhook URL "${shown}": ${error.message}`, {
        hint: "Allow it with --webhook-allow-private",
      });
    }
    if (error instanceof PublicAddressError) {
      throw new ConfigError(`Cannot use webhook URL "${shown}": ${error.message}`, {
        hint: "Use https:, or allow it with --webhook-allow-http",
      });
    }
  }
  return url;
}

/**
 * Connects to the URL's host, with TLS where it is `https:`, and hangs up. Answers the address.
 *
 * @throws What the system says, or the guard.
 */
export async function reach(target: WebhookTarget, signal: AbortSignal): Promise<string> {
  const { hostname, port, protocol } = new URL(target.url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const secure = protocol === "https:";
  const options = {
    host,
    port: Number(port) || (secure ? 443 : 80),
    lookup: guardedLookup(guardOf(new URL(target.url), target)),
  };
  const socket: Socket = secure
    ? connectTls({ ...options, ...(isIP(host) === 0 && { servername: host }), ...(target.ca && { ca: target.ca }) })
    : connect(options);
  const hangUp = () => socket.destroy(signal.reason);
  signal.addEventListener("abort", hangUp, { once: true });
  try {
    await once(socket, secure ? "secureConnect" : "connect");
    return socket.remoteAddress ?? host;
  } finally {
    signal.removeEventListener("abort", hangUp);
    socket.destroy();
  }
}

/** What Deno's permission is about: the address, whatever the name. */
function dialled(url: URL, { address, family }: Address): string {
  return hostAndPort(url, family === 6 ? `[${address}]` : address);
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["https:", "http:"].includes(url.protocol)) {
    throw new ConfigError("Cannot use webhook URL: it must begin with https:// or http://");
  }
  if (url.username === "" && url.password === "") return url;
  throw new ConfigError(`Cannot use webhook URL "${shownUrl(text)}": it must not have a user or password`, {
    hint: "Use --webhook-bearer-token, or --webhook-header",
  });
}
