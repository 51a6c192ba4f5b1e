/**
 * The nodes of a cluster and what is sent to them to be let in, checked before anything is sent.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { ConfigError } from "../../pipeline/errors.ts";

/** Who asks; one kind at most, user info in a URL is one too. */
export interface Credentials {
  /** The encoded form: `id:key` in base64. */
  readonly apiKey?: string | undefined;
  /** The user of basic auth. */
  readonly user?: string | undefined;
  /** That user's password. */
  readonly password?: string | undefined;
}

/** A node. */
export interface Node {
  /** Without user info. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The nodes at some URLs; one that is named twice is one.
 *
 * @throws {ConfigError} For a URL or key that cannot be, or for two kinds of credentials.
 */
export function nodesOf(urls: readonly string[], credentials: Credentials): readonly Node[] {
  const authorization = authorizationOf(credentials);
  const nodes = new Map<string, Node>();
  for (const text of urls) {
    const url = parseUrl(text);
    const own = userInfoOf(url);
    if (own !== undefined && authorization !== undefined) {
      throw new ConfigError(`Cannot use two kinds of credentials: the URL of ${placeOf(url)} has a user, too`);
    }
    url.username = url.password = "";
    const header = own ?? authorization;
    nodes.set(url.href, { url, headers: header === undefined ? {} : { authorization: header } });
  }
  if (nodes.size === 0) throw new ConfigError("Cannot connect to Elasticsearch: --elasticsearch-url is not set");
  return [...nodes.values()];
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fault = url === undefined || !["http:", "https:"].includes(url.protocol)
    ? "it must begin with http:// or https://"
    : url.search !== "" || url.hash !== ""
    ? "it must not have a query or fragment"
    : undefined;
  // The text is not repeated: it may hold a password.
  if (url === undefined || fault !== undefined) throw new ConfigError(`Cannot use --elasticsearch-url: ${fault}`);
  return url;
}

function authorizationOf({ apiKey, user, password }: Credentials): string | undefined {
  if (apiKey !== undefined && (user !== undefined || password !== undefined)) {
    throw new ConfigError(
      "Cannot use --elasticsearch-api-key together with a user or password: they exclude each other",
    );
  }
  if (apiKey !== undefined) {
    if (/^[\w+/=-]+$/.test(apiKey)) return `ApiKey ${apiKey}`;
    throw new ConfigError("Cannot use --elasticsearch-api-key: it must be the encoded form, id:key in base64");
  }
  if (user === undefined && password === undefined) return undefined;
  if (user !== undefined && password !== undefined) return basic(user, password);
  throw new ConfigError("Cannot use --elasticsearch-user without --elasticsearch-password, or the reverse");
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function userInfoOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  try {
    return basic(decodeURIComponent(username), decodeURIComponent(password));
  } catch (error) {
    throw new ConfigError("Cannot use --elasticsearch-url: a percent sign in user or password must be written %25", {
      cause: error,
    });
  }
}

/** What must not be said of what nodes are sent: keys, and passwords as they are and as they are sent. */
export function secretsOf(nodes: readonly Node[]): string[] {
  return nodes.flatMap(({ headers: { authorization = "" } }) => {
    const [scheme, sent = ""] = authorization.split(" ");
    if (scheme !== "Basic") return [sent];
    const userAndPassword = Buffer.from(sent, "base64").toString();
    return [sent, userAndPassword.slice(userAndPassword.indexOf(":") + 1)];
  });
}

/** A node as messages name it. */
export function placeOf({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname.replace(/\/$/, "")}`;
}

/**
 * The certificates of a PEM text, each by itself.
 *
 * @throws {ConfigError} If there is none, or one that cannot be read.
 */
export function certificatesOf(pem: string): string[] {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw new ConfigError("Cannot use --ca-cert: the file holds no PEM certificate");
  for (const [i, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw new ConfigError(`Cannot use --ca-cert: certificate ${i + 1} of the file is damaged`, { cause: error });
    }
  }
  return [...certificates];
}
