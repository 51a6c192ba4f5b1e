/**
 * Words that options and code share; nothing is imported here, so that help stays quick.
 *
 * @module
 */

/** The queue that is meant where none is named: that of the MET connector. */
export const DEFAULT_QUEUE = "jetstream_sync";

/** What a row can be. */
export const QUEUE_STATUSES = ["pending", "processing", "completed", "failed"] as const;

/** See {@link QUEUE_STATUSES}. */
export type QueueStatus = typeof QUEUE_STATUSES[number];
