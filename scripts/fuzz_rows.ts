/**
 * Megastream rows as the fuzzer feeds them.
 *
 * @module
 */
import { dedupeKey, toJson } from "../lib/atproto/event.ts";
import { PoisonError } from "../lib/pipeline/errors.ts";
import type { Row } from "../lib/sources/megastream/files.ts";
import { readRow, type RowOptions } from "../lib/sources/megastream/rows.ts";

const DID = "did:plc:wq4aajammjtxdomz3e23667t";
const RKEY = "3mptbyplj5d2a";
const URI = `at://${DID}/app.bsky.feed.post/${RKEY}`;
const FILE = "mega_jetstream_20250909_204500.db.zip";
const OPTIONS: RowOptions = {
  file: FILE,
  fileTimeUs: 1757450700000000,
  purgeAccounts: ["deleted"],
  origin: Object.freeze({ source: "megastream", wire: "row", host: FILE }),
};

const RECORD = { $type: "app.bsky.feed.post", text: "caf\u00e9 \ud83e\udd8b", createdAt: "2025-09-09T20:46:41.000Z" };
const COMMIT = { rev: "3mptbypluud2a", operation: "create", collection: "app.bsky.feed.post", rkey: RKEY };
const HYDRATED = { user: null, parent_post: { uri: URI }, reply_post: { uri: URI }, quote_post: { uri: URI } };
const MESSAGES = [
  { did: DID, time_us: 1757450801618621, kind: "commit", commit: { ...COMMIT, record: RECORD, cid: "bafyrei" } },
  { did: DID, kind: "commit", commit: { ...COMMIT, operation: "delete" } },
  { did: DID, kind: "account", account: { active: false, did: DID, seq: 5, status: "deleted" } },
  { did: DID, kind: "identity", identity: { did: DID, seq: 5 } },
];

/** Good texts of the column `raw_post`. */
export function rawPosts(): Uint8Array[] {
  const rest = { hydrated_metadata: HYDRATED, inferences: { text_embeddings: {} } };
  return MESSAGES.map((message) => new TextEncoder().encode(JSON.stringify({ at_uri: URI, message, ...rest })));
}

function rowOf(raw_post: string, columns: Partial<Row>): Row {
  return { row: 1, at_uri: URI, did: DID, raw_post, inferences: null, created_at: "2025-09-09 20:47:00", ...columns };
}

/** The input as `raw_post` of rows with and without a URI and as `inferences`: no row stops the file or spoils the next one. */
export function readRows(input: Uint8Array): void {
  const text = new TextDecoder().decode(input);
  let refusal: PoisonError | undefined;
  for (const row of [rowOf(text, {}), rowOf(text, { at_uri: null, did: "", created_at: text })]) {
    refusal = readOne(row) ?? refusal;
  }
  const good = new TextDecoder().decode(rawPosts()[0]);
  for (const inferences of [text, null]) {
    if (readOne(rowOf(good, { inferences }))) throw new Error("Cannot read the good row any more");
  }
  if (refusal) throw refusal;
}

/** Why a row was refused; what comes of it must be fit for a sink or the dead letter. */
function readOne(row: Row): PoisonError | undefined {
  try {
    const result = readRow(row, OPTIONS);
    if ("skip" in result) return undefined;
    dedupeKey(result.event);
    JSON.parse(toJson(result.event));
    return undefined;
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    JSON.stringify(error.detail);
    return error;
  }
}
