/**
 * Relays, labelers and PDSs as users name them.
 *
 * @module
 */

/** A server. */
export interface Endpoint {
  /** Names it in positions, events and messages: the host, with its port if that is unusual. */
  readonly host: string;
  /** `wss://host`, or `ws://host` where the user wants no encryption. */
  readonly ws: string;
  /** The same with `https://` or `http://`. */
  readonly http: string;
}

/**
 * The servers of a list; each text may hold several between commas, blanks count for nothing.
 *
 * @param alias Stands for the only one in positions and events.
 * @param faults Gets a sentence for everything that is wrong.
 */
export function readHosts(texts: readonly string[], alias: string | undefined, faults: string[]): Endpoint[] {
  const names = texts.flatMap((text) => text.split(",")).map((name) => name.trim()).filter((name) => name !== "");
  if (names.length === 0) faults.push("Cannot read from nowhere: name at least one host");
  if (alias !== undefined && names.length > 1) faults.push(`Cannot use the alias ${alias} for several hosts`);
  const endpoints = new Map<string, Endpoint>();
  for (const name of names) {
    const endpoint = readHost(name, faults);
    if (endpoint === undefined) continue;
    const { host } = endpoint;
    if (endpoints.has(host)) faults.push(`Cannot use host "${name}": ${host} is named twice`);
    endpoints.set(host, { ...endpoint, host: alias ?? host });
  }
  return [...endpoints.values()];
}

/** `undefined` after a fault. */
function readHost(name: string, faults: string[]): Endpoint | undefined {
  const text = /^[a-z]+:\/\//i.test(name) ? name : `https://${name}`;
  const bad = (why: string) => void faults.push(`Cannot use host "${name}": ${why}`);
  if (!URL.canParse(text)) return bad("it is no host");
  const { protocol, host, pathname, search, hash, username, password } = new URL(text);
  if (!/^(http|ws)s?:$/.test(protocol)) return bad("it must begin with https:// or wss://, or with nothing");
  if (username !== "" || password !== "") return bad("it must be without a user");
  if (pathname !== "/" || search !== "" || hash !== "") return bad("it must be without a path and a query");
  const s = protocol === "https:" || protocol === "wss:" ? "s" : "";
  return { host, ws: `ws${s}://${host}`, http: `http${s}://${host}` };
}
