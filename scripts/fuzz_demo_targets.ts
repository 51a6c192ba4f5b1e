/**
 * What fuzz_test.ts feeds: a good reader, and one for each fault that the fuzzer must find.
 *
 * @module
 */
import { PoisonError } from "../lib/pipeline/errors.ts";
import type { FuzzTarget } from "./fuzz_target.ts";

const GOOD = '{"a":1,"b":[2,3]}';

function parse(input: Uint8Array): void {
  try {
    JSON.parse(new TextDecoder().decode(input));
  } catch {
    throw new PoisonError("not_json", "Cannot parse input: it is no JSON");
  }
}

function target(name: string, run: FuzzTarget["run"]): FuzzTarget {
  return { name, samples: () => [new TextEncoder().encode(GOOD)], run };
}

const isBad = (input: Uint8Array): boolean => new TextDecoder().decode(input) !== GOOD;
let refusedOne = false;

export const TARGETS: readonly FuzzTarget[] = [
  target("good", parse),
  target("throws", (input) => JSON.parse(new TextDecoder().decode(input))),
  target("hangs", (input) => {
    while (isBad(input));
  }),
  target("never answers", (input) => isBad(input) ? new Promise(() => {}) : undefined),
  target("slow", async (input) => {
    if (isBad(input)) await new Promise((resolve) => setTimeout(resolve, 150));
  }),
  target("spoiled", (input) => {
    if (refusedOne) throw new PoisonError("spoiled", "Cannot read anything any more");
    refusedOne = isBad(input);
    if (refusedOne) throw new PoisonError("first", "Cannot read input");
  }),
  target("bad sample", () => {
    throw new PoisonError("always", "Cannot read input");
  }),
];
