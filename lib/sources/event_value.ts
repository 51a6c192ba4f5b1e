/**
 * Events from JSON that another program, or a person, may have had a hand in: what every sink takes for granted is looked at.
 *
 * @module
 */
import type { AnyEvent, Origin } from "../atproto/event.ts";
import { PoisonError } from "../pipeline/errors.ts";

type Json = Readonly<Record<string, unknown>>;

const OPERATIONS: ReadonlySet<unknown> = new Set(["create", "update", "delete"]);
const isText = (x: unknown): x is string => typeof x === "string" && x !== "";
const isObject = (x: unknown): x is Json => typeof x === "object" && x !== null && !Array.isArray(x);

/**
 * The event that has these members, which are those of `toJson`.
 *
 * @throws {PoisonError} `invalid` where it is no event.
 */
export function eventOf(value: unknown, origin: Origin): AnyEvent {
  if (!isObject(value)) throw new PoisonError("invalid", "Cannot read event: it is not an object");
  const { did, time_us, kind } = value;
  const body = value[String(kind)];
  const fault = !(Number.isSafeInteger(time_us) && Number(time_us) > 0)
    ? "time_us is not a positive integer"
    : !isObject(body)
    ? "it has no body of its kind"
    : faultIn(String(kind), body) ?? (kind === "label" || isText(did) ? undefined : "it has no did");
  if (fault !== undefined) throw new PoisonError("invalid", `Cannot read event: ${fault}`);
  if (kind === "label" || kind === "repo") return { ...value, origin } as unknown as AnyEvent;
  const { cursor: seq, enriched } = value;
  const event = {
    did,
    time_us,
    ...(Number.isSafeInteger(seq) && { seq }),
    kind,
    [String(kind)]: body,
    ...(isObject(enriched) && { enriched: enrichedOf(enriched) }),
    origin,
  };
  return event as unknown as AnyEvent;
}

/** What is not as it should be is left out: nothing depends on it. */
function enrichedOf({ row, ...texts }: Json): Json {
  const names = ["file", "root", "parent", "quote", "created_at", "inferences"].filter((name) => isText(texts[name]));
  const known = Object.fromEntries(names.map((name) => [name, texts[name]]));
  return { ...known, ...(Number.isSafeInteger(row) && { row }) };
}

function faultIn(kind: string, body: Json): string | undefined {
  const missing = (names: readonly string[]) => names.find((name) => !isText(body[name]));
  switch (kind) {
    case "commit": {
      const name = missing(["collection", "rkey"]);
      if (name !== undefined) return `commit.${name} is not a text`;
      if (!OPERATIONS.has(body.operation)) return "the operation is not create, update or delete";
      return body.operation === "delete" || isObject(body.record) ? undefined : "the record is not an object";
    }
    case "account":
      return typeof body.active === "boolean" ? undefined : "account.active is not a boolean";
    case "label": {
      const name = missing(["src", "uri", "val", "cts"]);
      return name === undefined ? undefined : `label.${name} is not a text`;
    }
    case "identity":
    case "sync":
    case "repo":
      return undefined;
    default:
      return "its kind is not known";
  }
}
