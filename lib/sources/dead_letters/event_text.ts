/**
 * Events from the text that `toJson` made of them.
 *
 * @module
 */
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { eventOf } from "../event_value.ts";

/**
 * The event that the text was made of; only its origin is not in the text.
 *
 * @throws {PoisonError} `not_json`, or `invalid` for JSON that is no event.
 */
export function parseEventText(text: string, origin: Origin): AnyEvent {
  const event = eventOf(parse(text), origin);
  return event.kind === "label" || event.kind === "repo" ? event : { ...event, raw: text };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PoisonError("not_json", "Cannot read event: it is not JSON", { cause });
  }
}
