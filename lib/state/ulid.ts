/**
 * Ids that grow with time (github.com/ulid/spec).
 *
 * @module
 */

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_BITS = 80n;

/**
 * A function that makes ULIDs: 26 characters, 48 bits of milliseconds since 1970, then 80 random bits. Each one is greater than
 * the one before, also within a millisecond and when the clock goes back.
 */
export function ulids(now: () => number = Date.now): () => string {
  let last = -1n;
  return () => {
    const fresh = (BigInt(now()) << RANDOM_BITS) | randomBits();
    last = fresh >> RANDOM_BITS > last >> RANDOM_BITS ? fresh : last + 1n;
    return last.toString(32).padStart(26, "0").replaceAll(/./g, (digit) => CROCKFORD[parseInt(digit, 32)]!);
  };
}

function randomBits(): bigint {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return bytes.reduce((all, byte) => (all << 8n) | BigInt(byte), 0n);
}
