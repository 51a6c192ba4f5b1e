/**
 * Chance that can be repeated.
 *
 * @module
 */

/** Prints where chance starts for `what`, and gives it back: `BSKYINGEST_SEED` to repeat a run, else a random number. */
export function startNumber(what: string): number {
  const start = Number(Deno.env.get("BSKYINGEST_SEED")) || Math.floor(Math.random() * 2 ** 32);
  console.log(`${what}: BSKYINGEST_SEED=${start}`);
  return start;
}

/** Numbers from 0 to below 1 that look random, the same ones for the same start (mulberry32). */
export function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
