/**
 * Whether a run came to its end at a position: Redis keeps nothing beside the text of a position, so the text says it.
 *
 * @module
 */
import type { Cursor } from "../../pipeline/batch.ts";

type Position = Readonly<Record<string, unknown>>;

/** The same position as one where a run ended. Only JSON objects can say it, which those of Jetstream are. */
export function markDone(cursor: Cursor): Cursor {
  const position = objectOf(cursor);
  return position ? JSON.stringify({ ...position, state: "done" }) : cursor;
}

/** The position without that word. */
export function unmarkDone(cursor: Cursor): Cursor {
  if (!isDone(cursor)) return cursor;
  const { state: _, ...position } = objectOf(cursor)!;
  return JSON.stringify(position);
}

/** Whether a position says so. */
export function isDone(cursor: Cursor): boolean {
  return objectOf(cursor)?.state === "done";
}

function objectOf(cursor: Cursor): Position | undefined {
  return cursor.startsWith("{") ? JSON.parse(cursor) : undefined;
}
