/**
 * The end of a list, as a position.
 *
 * @module
 */

/** The position behind the last page, as rsky-ingester has it. */
export const DONE = "!ingester-done";
