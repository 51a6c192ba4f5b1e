/**
 * The contract's place in a queue file: what a reader finds there are records, so that is what is expected of events.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { SINKS, type SinkSettings } from "../../lib/sinks/registry.ts";
import { jsonText } from "../../lib/transforms/stream_events/json_text.ts";
import type { SinkFixture } from "./sink_contract.ts";

/** One queue, read without taking anything from it. */
export function queueFixture(settings: SinkSettings): SinkFixture {
  const { file } = settings.queue!;
  return {
    open: () => SINKS.queue.open(settings),
    read() {
      using db = new DatabaseSync(file, { readOnly: true });
      const rows = db.prepare("SELECT payload FROM queue ORDER BY id").all();
      const records = rows.flatMap(({ payload }) => JSON.parse(payload as string) as Record<string, unknown>[]);
      return Promise.resolve(records.map(({ created_at: _, ...record }) => textOf(record)));
    },
    expected: (events) => events.map((event) => textOf(recordOf(event))),
  };
}

function recordOf(event: AnyEvent): Record<string, unknown> {
  return {
    did: event.kind === "label" ? event.label.src : event.did,
    time_us: String(event.time_us),
    kind: event.kind,
    commit_data: null,
    identity_data: null,
    account_data: null,
    [`${event.kind}_data`]: (event as unknown as Record<string, unknown>)[event.kind],
    collection: event.kind === "commit" ? event.commit.collection : "",
  };
}

/** Members in one order, so that they can be compared as text. */
function textOf(record: Record<string, unknown>): string {
  return jsonText(Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1)));
}
