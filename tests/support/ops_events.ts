/**
 * Letters for tests of the operations server.
 *
 * @module
 */
import type { Letter } from "../../lib/pipeline/deliver.ts";
import { PoisonError } from "../../lib/pipeline/errors.ts";

/** One that could not be decoded, one that the sink refused. */
export const DEAD_REASON_EVENTS: readonly Letter[] = [
  { stage: "source", error: new PoisonError("not_json", "Cannot read event: it is not JSON"), raw: "{" },
  {
    stage: "sqlite",
    error: new PoisonError("too_large", "Cannot write event: it is too large"),
    item: { kind: "commit", did: "did:plc:a", commit: { collection: "app.bsky.feed.post" } },
  },
];
