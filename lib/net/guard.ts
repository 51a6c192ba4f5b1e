/**
 * The guard of connections on behalf of somebody outside: only public addresses are dialled.
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

/** A connection to an address that is not public was asked for. */
export class PrivateAddressError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "PrivateAddressError";

  /** Makes one; `address` is what was refused. */
  constructor(address: string) {
    super(`${address} is a private address`);
  }
}

/** One address of a name. */
export interface Address {
  readonly address: string;
  readonly family: number;
}

/** How names are looked up, and what is let through. */
export interface GuardOptions {
  /** Lets everything through. */
  readonly allowPrivate: boolean;
  /** All addresses of a name. Default: the system's resolver. */
  readonly lookup?: (hostname: string) => Promise<readonly Address[]>;
}

/**
 * Checks a host that is an address itself, for which Node looks nothing up.
 *
 * @param hostname As `URL` spells it.
 * @throws {PrivateAddressError}
 */
export function checkHostname(hostname: string, { allowPrivate }: GuardOptions): void {
  const address = hostname.replace(/^\[|\]$/g, "");
  if (!allowPrivate && isIP(address) !== 0 && isPrivateAddress(address)) throw new PrivateAddressError(address);
}

/** For an agent's `lookup`: fails with a {@link PrivateAddressError} where any address of the name is not public. */
export function guardedLookup({ allowPrivate, lookup = lookUp }: GuardOptions): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname).then((addresses) => {
      const refused = allowPrivate ? undefined : addresses.find(({ address }) => isPrivateAddress(address));
      const [first] = addresses;
      if (refused) callback(new PrivateAddressError(refused.address), "", 0);
      else if (first === undefined) callback(new Error(`No address of ${hostname}`), "", 0);
      else if (options.all) callback(null, [...addresses], 0);
      else callback(null, first.address, first.family);
    }, (error) => callback(error, "", 0));
  };
}

function lookUp(hostname: string): Promise<Address[]> {
  return lookup(hostname, { all: true });
}
