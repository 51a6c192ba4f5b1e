/**
 * The keys of simulated accounts and of the simulated labeler.
 *
 * @module
 */
import { mix } from "../ids.ts";
import { type SigningKey, signingKey } from "../repos/keys.ts";

/** The account that labels others. */
export const LABELER = 0;

/** The key that an account signs its repo with: on K-256 mostly, like in the real network. */
export function accountKey(rng: number, account: number): SigningKey {
  return signingKey(`bskyingest simulate ${rng} ${account} atproto`, mix(account, 11) % 4 === 0 ? "p256" : "k256");
}

/** The key that the labeler signs labels with. */
export function labelKey(rng: number): SigningKey {
  return signingKey(`bskyingest simulate ${rng} labels`);
}
