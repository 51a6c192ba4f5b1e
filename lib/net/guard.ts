/**
 * The guard of connections on behalf of somebody outside: only public addresses are dialled, or only private ones.
 *
 * What is judged is the address that is really dialled, at every connection, so that a name which changes its address between a
 * check and the connection gains nothing. `fetch` cannot do that; `node:https` dials what its agent's `lookup` answers, and still
 * checks the certificate against the name.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { isPrivateAddress } from "./address.ts";
import { requireNet } from "./permission.ts";

/** A connection to an address that is not public was asked for. */
export class PrivateAddressError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "PrivateAddressError";

  /** Makes one; `address` is what was refused. */
  constructor(address: string) {
    super(`${address} is a private address`);
  }
}

/** A connection without encryption to a public address was asked for. */
export class PublicAddressError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "PublicAddressError";

  /** Makes one; `address` is what was refused. */
  constructor(address: string) {
    super(`${address} is a public address, and http: is not encrypted`);
  }
}

/** One address of a name. */
export interface Address {
  /** As `node:net` prints it. */
  readonly address: string;
  /** 4 or 6. */
  readonly family: number;
}

/** How names are looked up, and what is let through. */
export interface GuardOptions {
  /** Lets private addresses through. */
  readonly allowPrivate: boolean;
  /** Lets public addresses through. @default {true} */
  readonly allowPublic?: boolean;
  /** All addresses of a name. Default: the system's resolver. */
  readonly lookup?: (hostname: string) => Promise<readonly Address[]>;
}

/**
 * Checks a host that is an address itself, for which Node looks nothing up.
 *
 * @param hostname As `URL` spells it.
 * @throws {PrivateAddressError} @throws {PublicAddressError}
 */
export function checkHostname(hostname: string, options: GuardOptions): void {
  const address = hostname.replace(/^\[|\]$/g, "");
  const refusal = isIP(address) === 0 ? undefined : refusalOf(address, options);
  if (refusal) throw refusal;
}

/** Why an address must not be dialled; undefined: it may be. */
function refusalOf(address: string, { allowPrivate, allowPublic = true }: GuardOptions): Error | undefined {
  if (isPrivateAddress(address)) return allowPrivate ? undefined : new PrivateAddressError(address);
  return allowPublic ? undefined : new PublicAddressError(address);
}

/**
 * For an agent's `lookup`: fails with a {@link PrivateAddressError} or {@link PublicAddressError} where any address of the name is not
 * let through.
 */
export function guardedLookup(options: GuardOptions): LookupFunction {
  return (hostname, { all }, callback) => {
    guardedAddresses(hostname, options).then((addresses) => {
      const [first] = addresses;
      if (all) callback(null, [...addresses], 0);
      else callback(null, first!.address, first!.family);
    }, (error) => callback(error, "", 0));
  };
}

/**
 * All addresses of a name, at least one.
 *
 * @throws {PrivateAddressError} @throws {PublicAddressError} and what the resolver throws.
 * @throws {ConfigError} where this program must not look it up.
 */
export async function guardedAddresses(hostname: string, options: GuardOptions): Promise<readonly Address[]> {
  const addresses = await (options.lookup ?? lookUp)(hostname);
  if (addresses.length === 0) throw new Error(`No address of ${hostname}`);
  for (const { address } of addresses) {
    const refusal = refusalOf(address, options);
    if (refusal) throw refusal;
  }
  return addresses;
}

async function lookUp(hostname: string): Promise<Address[]> {
  requireNet(hostname); // looking it up takes more than the permission for one of its ports
  return await lookup(hostname, { all: true });
}
