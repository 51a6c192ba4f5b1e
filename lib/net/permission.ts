/**
 * Whether the program may use the network at all.
 *
 * @module
 */
import { ConfigError } from "../pipeline/errors.ts";

/**
 * Sees that one of the hosts may be reached: on a terminal Deno asks the user. Otherwise attempts would be repeated for ever.
 *
 * @param hosts Names or addresses, with or without a port, as in a URL; at least one.
 * @throws {ConfigError} where none may.
 */
export function requireNet(...hosts: readonly [string, ...string[]]): void {
  if (hosts.some((host) => Deno.permissions.requestSync({ name: "net", host }).state === "granted")) return;
  const [host] = hosts;
  throw new ConfigError(`Cannot reach ${host}: no permission`, { hint: `Run with --allow-net=${host}` });
}

/** Whether a client was not let out, from the message that is left of what Deno threw. */
export function isDenied(message: string): boolean {
  return /Requires net access|getaddrinfo EPERM/.test(message);
}

/** The host and the port of a URL, the usual port included. @param host Another one in place of the URL's. */
export function hostAndPort({ hostname, port, protocol }: URL, host = hostname): string {
  return `${host}:${port || (/^(https|wss):$/.test(protocol) ? 443 : 80)}`;
}
