/**
 * Where the operations server listens, and which host names it answers to.
 *
 * @module
 */
import { ConfigError } from "../pipeline/errors.ts";

/** Where to listen. */
export interface ListenAddress {
  /** An IP address without brackets, or a name. */
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
}

/**
 * Reads `PORT`, `:PORT`, `HOST:PORT`, `[::1]:PORT`; without a host it is this machine alone.
 *
 * @throws {ConfigError} that holds only the reason.
 */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\]]*)):)?(\d{1,5})$/.exec(text.trim());
  const [, v6, name, digits] = match ?? [];
  const port = Number(digits);
  if (!match || port > 65_535 || (v6 !== undefined && !isV6(v6))) {
    throw new ConfigError("it must be PORT, :PORT, HOST:PORT or [ADDRESS]:PORT");
  }
  return { hostname: v6 ?? (name || "127.0.0.1"), port };
}

/** `node:net` would be loaded for every `--help`; and URL has brought what comes from a header into one form. */
function isV4(host: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}

function isV6(host: string): boolean {
  return host.includes(":") && URL.canParse(`http://[${host}]/`);
}

/** Whether only this machine reaches it. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1") return true;
  return isV4(name) && name.startsWith("127.");
}

/** The same as the authority of a URL. */
export function authorityOf({ hostname, port }: ListenAddress): string {
  return `${isV6(hostname) ? `[${hostname}]` : hostname}:${port}`;
}

/** What a `Host` header names, without its port and in lower case; undefined: it is none. */
export function hostIn(header: string): string | undefined {
  const url = `http://${header}/`;
  if (!/^[^\s/?#@\\]+$/.test(header) || !URL.canParse(url)) return undefined;
  return new URL(url).hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

/** Whether a request for a host is meant for us: a page of somebody else can make a browser ask us under its own name. */
export function isOwnHost(host: string, names: ReadonlySet<string>): boolean {
  return isV4(host) || isV6(host) || host === "localhost" || host.endsWith(".localhost") || names.has(host);
}
