/**
 * Which events the log holds already, for whoever reads some of them again.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { type AnyEvent, dedupeKey } from "../../atproto/event.ts";
import { eventOf, originsOf, selectEvents } from "./recall.ts";

/** Tells of each event whether the log holds it, with a time that differs by no more than so many microseconds. */
export type KnownNow = (events: readonly AnyEvent[], withinUs: number) => boolean[];

/** A look into the log `table`, which needs its index on `time_us` to be quick. */
export function knownIn(db: DatabaseSync, table: string): KnownNow {
  const select = selectEvents(
    table,
    "WHERE time_us BETWEEN ? AND ? AND did IN (SELECT value FROM json_each(?))",
  );
  return (events, withinUs) => {
    const origins = originsOf(db);
    const held = new Set<string>();
    const statement = db.prepare(select);
    for (const group of closeTogether(events, withinUs)) {
      const dids = JSON.stringify([...new Set(group.map(didOf))]);
      const [from, to] = [group[0]!.time_us - withinUs, group.at(-1)!.time_us + withinUs];
      for (const row of statement.iterate(from, to, dids)) held.add(dedupeKey(eventOf(row, origins)));
    }
    return events.map((event) => held.has(dedupeKey(event)));
  };
}

/** The column `did` of a label is the account of its labeler. */
function didOf(event: AnyEvent): string {
  return event.kind === "label" ? event.label.src : event.did;
}

/** Events whose times are so near that one look serves them all: a single one with another date must not widen it. */
function closeTogether(events: readonly AnyEvent[], withinUs: number): AnyEvent[][] {
  const groups: AnyEvent[][] = [];
  for (const event of events.toSorted((a, b) => a.time_us - b.time_us)) {
    const last = groups.at(-1);
    if (last && event.time_us - last.at(-1)!.time_us <= 2 * withinUs) last.push(event);
    else groups.push([event]);
  }
  return groups;
}
