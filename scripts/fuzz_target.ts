/**
 * What the fuzzer needs to know of a reader.
 *
 * @module
 */
import type { Mutator } from "./fuzz_mutators.ts";

/** A reader of input. */
export interface FuzzTarget {
  readonly name: string;
  /** Good inputs, from which the bad ones are made; `run` accepts each. */
  readonly samples: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Reads one input. It may refuse it by a PoisonError or a ConfigError; any other error is a finding. */
  readonly run: (input: Uint8Array) => unknown;
  /** How inputs are spoiled. Default: in every way. */
  readonly mutators?: readonly Mutator[];
}
