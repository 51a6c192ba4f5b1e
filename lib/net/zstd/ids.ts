/**
 * The ids of the dictionaries that this project knows by name. Real ones are never part of it.
 *
 * @module
 */

/** The dictionary of the v1 wire of every public server (112,640 bytes). */
export const V1_DICTIONARY_ID = 1_612_007_021;

/** The dictionary of the v2 wire as of August 2026 (65,536 bytes). */
export const V2_DICTIONARY_ID = 20_260_811;

/** The dictionary of simulated servers, on both wires: `lib/simulate/dictionary.ts`. */
export const SIMULATE_DICTIONARY_ID = 60_081_982;
