/**
 * Records of a queue as events again. Rows may have been written by another program.
 *
 * @module
 */
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import type { Poison } from "../../pipeline/batch.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { eventOf } from "../event_value.ts";

/** A row without what it is acknowledged with. */
export interface StoredRow {
  /** Its number. */
  readonly id: number;
  /** JSON text of an array of records, unless another program wrote something else. */
  readonly payload: string | null;
}

/** What a row became. */
export interface DecodedRow {
  readonly events: AnyEvent[];
  /** Records that are no events, or the whole row. */
  readonly poison: readonly Poison[];
}

/** Reads the records of a row, each on its own. */
export function readRow({ id, payload }: StoredRow, origin: Origin): DecodedRow {
  const poison: Poison[] = [];
  const orPoison = <T>(read: () => T, raw: () => string): T[] => {
    try {
      return [read()];
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      poison.push({ error, raw: raw(), detail: { host: origin.host, wire: "queue", row: id } });
      return [];
    }
  };
  const [records = []] = orPoison(() => recordsOf(payload), () => payload ?? "");
  const events = records.flatMap((record) => orPoison(() => recordEvent(record, origin), () => JSON.stringify(record)));
  return { events, poison };
}

/**
 * The event that the text of a record was made of. Its position number is not in the record.
 *
 * @throws {PoisonError} `not_json`, or `invalid` where it is no record of an event.
 */
export function parseRecord(text: string, origin: Origin): AnyEvent {
  return recordEvent(parse(text), origin);
}

function recordsOf(payload: string | null): readonly unknown[] {
  const records = parse(payload ?? "");
  if (Array.isArray(records)) return records;
  throw new PoisonError("unknown_shape", "Cannot read row: it is not a list of records");
}

function recordEvent(record: unknown, origin: Origin): AnyEvent {
  const { did, time_us, kind, ...members } = Object(record) as Readonly<Record<string, unknown>>;
  const name = String(kind);
  return eventOf({
    ...(kind !== "label" && { did }), // that of a label is the `src` which it has itself
    time_us: typeof time_us === "string" && /^\d+$/.test(time_us) ? Number(time_us) : time_us,
    kind,
    [name]: members[`${name}_data`],
  }, origin);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PoisonError("not_json", "Cannot read record: it is not JSON", { cause });
  }
}
