/**
 * Who the accounts of a simulated network are: `resolveHandle` in the words of Bluesky's AppView, DID documents in those of
 * plc.directory.
 *
 * Account n (0, 1, 2, ... below `accounts`) has the handle `user<n>.simulate.test`, which its document claims, and its PDS is the
 * server itself.
 *
 * @module
 */
import { type Answer, xrpcAnswer } from "./http.ts";
import { createRecords } from "./records.ts";
import { accountKey, LABELER, labelKey } from "./relay/accounts.ts";

/** Somebody who is known to a server besides the generated accounts, or in place of one of them. */
export interface Identity {
  /** In lower case. */
  readonly handle: string;
  /** What the handle resolves to. */
  readonly did: string;
  /** What the DID's document lists in `alsoKnownAs`, each without `at://`. Default: the handle. */
  readonly claims?: readonly string[];
  /** The DID is no more. */
  readonly tombstoned?: boolean;
  /** Its signing key, as multibase. Default: that of the generated account with this DID, else none. */
  readonly signingKey?: string;
  /** Where its PDS is: a URL. Default: this server. */
  readonly pds?: string;
}

/** Options of {@link createIdentities}. */
export interface IdentityOptions {
  /** As the generator's. */
  readonly rng?: number;
  /** As the generator's. */
  readonly accounts?: number;
  /** Known besides the generated accounts. */
  readonly identities?: readonly Identity[];
  /**
   * A fault: requests for handles and DID documents get this HTTP status, the first `times` of them (absent: all), with
   * `retryAfter` seconds.
   */
  readonly xrpc?: { readonly status: number; readonly times?: number; readonly retryAfter?: number };
}

const RESOLVE_PATH = "/xrpc/com.atproto.identity.resolveHandle";
const HANDLE = /^user(0|[1-9]\d{0,9})\.simulate\.test$/;

/** Answers requests for handles and DID documents; `undefined`: the path is neither. */
export function createIdentities(options: IdentityOptions): (url: URL) => Answer | undefined {
  const { rng = 1, accounts = 50_000, identities = [], xrpc } = options;
  const records = createRecords(rng, accounts);
  let failed = 0;

  const didOf = (handle: string) => {
    const known = identities.find((identity) => identity.handle === handle);
    if (known) return known.did;
    const n = Number(HANDLE.exec(handle)?.[1] ?? accounts);
    return n < accounts ? records.account(n) : undefined;
  };
  const documentOf = (did: string, origin: string) => {
    const known = identities.find((identity) => identity.did === did);
    if (known?.tombstoned) return plcAnswer(410, { message: `DID not available: ${did}` });
    const n = records.accountOf(did);
    if (!known && n === undefined) return plcAnswer(404, { message: `DID not registered: ${did}` });
    const claims = known ? known.claims ?? [known.handle] : [`user${n}.simulate.test`];
    const signingKey = known?.signingKey ?? (n === undefined ? undefined : accountKey(rng, n).multibase);
    const keys = {
      ...(signingKey && { atproto: signingKey }),
      ...(n === LABELER && { atproto_label: labelKey(rng).multibase }),
    };
    return plcAnswer(200, didDocument(did, claims, keys, known?.pds ?? origin));
  };

  return (url) => {
    const path = decode(url.pathname);
    const resolves = path === RESOLVE_PATH;
    if (!resolves && !path.startsWith("/did:plc:")) return undefined;
    if (xrpc && failed++ < (xrpc.times ?? Infinity)) return failure(xrpc);
    return resolves ? resolveAnswer(url.searchParams.get("handle"), didOf) : documentOf(path.slice(1), url.origin);
  };
}

/** The path as text; as it came where it cannot be decoded. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function failure({ status, retryAfter }: NonNullable<IdentityOptions["xrpc"]>): Answer {
  const answer = xrpcAnswer(status, status === 429 ? "RateLimitExceeded" : "InternalServerError", "Try again later");
  return retryAfter === undefined ? answer : { ...answer, headers: { "Retry-After": String(retryAfter) } };
}

function resolveAnswer(handle: string | null, didOf: (handle: string) => string | undefined): Answer {
  if (handle === null) return xrpcAnswer(400, "InvalidRequest", 'Error: Params must have the property "handle"');
  const did = didOf(handle.toLowerCase());
  if (did === undefined) return xrpcAnswer(400, "InvalidRequest", "Unable to resolve handle");
  return { status: 200, type: "application/json", body: JSON.stringify({ did }) };
}

function plcAnswer(status: number, body: unknown): Answer {
  return { status, type: `application/${status === 200 ? "did+ld+json" : "json"}`, body: JSON.stringify(body) };
}

/** https://atproto.com/specs/did. @param keys Public keys by their names. */
function didDocument(
  did: string,
  claims: readonly string[],
  keys: Readonly<Record<string, string>>,
  pds: string,
): unknown {
  const service = (id: string, type: string) => ({ id, type, serviceEndpoint: pds });
  return {
    "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
    id: did,
    alsoKnownAs: claims.map((handle) => `at://${handle}`),
    verificationMethod: Object.entries(keys).map(([name, publicKeyMultibase]) => ({
      id: `${did}#${name}`,
      type: "Multikey",
      controller: did,
      publicKeyMultibase,
    })),
    service: [
      service("#atproto_pds", "AtprotoPersonalDataServer"),
      ...("atproto_label" in keys ? [service("#atproto_labeler", "AtprotoLabeler")] : []),
    ],
  };
}
