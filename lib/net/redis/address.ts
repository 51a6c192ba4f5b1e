/**
 * Where a Redis server is.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";

/** What a URL says. */
export interface RedisAddress {
  /** One server, or nodes of a cluster to begin with. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  readonly tls: boolean;
  /** Said to be a cluster; a server that is one of a cluster's says so itself. */
  readonly cluster: boolean;
  /** For people: without user and password. */
  readonly describe: string;
}

const URL_SHAPE = /^(rediss?)(\+cluster)?:\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/(\d*))?$/;
const NODE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;

/**
 * Reads `redis://[user[:password]@]host[:6379][/db]`, `rediss://...` with TLS, or `redis+cluster://a:1,b:2`. User and password are
 * percent-encoded.
 *
 * @throws {ConfigError} For anything else; the text does not repeat it, for a password may be in it.
 */
export function parseRedisUrl(url: string): RedisAddress {
  const match = URL_SHAPE.exec(url.trim());
  if (!match) throw urlError();
  const [, scheme, cluster, user, hosts = "", database] = match;
  const [username, password] = credentials(user);
  return {
    nodes: hosts.split(",").map(parseNode),
    username,
    password,
    database: Number(database ?? 0),
    tls: scheme === "rediss",
    cluster: cluster !== undefined,
    describe: `${hosts}${database ? `/${database}` : ""}`,
  };
}

function parseNode(text: string): { host: string; port: number } {
  const match = NODE.exec(text.trim());
  const port = Number(match?.[2] ?? 6379);
  if (!match || port < 1 || port > 65535) throw urlError();
  return { host: match[1]!.replace(/^\[|\]$/g, ""), port };
}

function credentials(user: string | undefined): [username: string | undefined, password: string | undefined] {
  if (user === undefined) return [undefined, undefined];
  const colon = user.indexOf(":");
  const parts = colon < 0 ? [user, ""] : [user.slice(0, colon), user.slice(colon + 1)];
  try {
    const [name, password] = parts.map(decodeURIComponent);
    return [name || undefined, password || undefined];
  } catch {
    throw urlError();
  }
}

function urlError(): ConfigError {
  return new ConfigError("Cannot use the URL of Redis: it must be redis://[user[:password]@]host[:port][/db]", {
    hint: "rediss:// is with TLS, redis+cluster://a:1,b:2 names nodes of a cluster; %40 is @ in a password",
  });
}
