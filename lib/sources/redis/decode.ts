/**
 * Entries of streams as events again, in whichever of the two formats they are and whatever stream they are from.
 *
 * @module
 */
import type { AnyEvent, AtEvent, LabelEvent, Origin, RepoEvent } from "../../atproto/event.ts";
import { microsOf, parseTimestamp } from "../../atproto/time.ts";
import { PoisonError } from "../../pipeline/errors.ts";

/** An entry: its id, and fields and values in turn. */
export interface StreamMessage {
  readonly stream: string;
  readonly id: string;
  readonly fields: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/**
 * The events of an entry: one, or for a frame of labels in format `rsky` any number.
 *
 * @throws {PoisonError} `not_json`, or `unknown_shape` where it is no entry of these formats.
 */
export function decodeEntry(message: StreamMessage): AnyEvent[] {
  const { fields } = message;
  for (let i = 0; i < fields.length; i += 2) {
    const read = READERS[fields[i]!];
    if (read) return read(parse(fields[i + 1]!), message);
  }
  throw shapeError(`it has no field event, labels or repo`);
}

/**
 * An entry as it is in place of an event, for sinks that print what they are given: `raw` is its text. Of fields of one name the last
 * one counts.
 */
export function rawEntry({ stream, id, fields }: StreamMessage): AnyEvent {
  const members = Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i], fields[2 * i + 1]]);
  const raw = JSON.stringify({ stream, id, fields: Object.fromEntries(members) });
  const origin: Origin = { source: "consume", wire: "relay", host: stream };
  return { time_us: microsOfId(id), origin, raw } as unknown as AnyEvent;
}

const READERS: Readonly<Record<string, (json: Json, message: StreamMessage) => AnyEvent[]>> = {
  event: (json, message) => [readEvent(json, message)],
  labels: readLabels,
  repo: (json, message) => [readRepo(json, message)],
};

function parse(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PoisonError("not_json", "Cannot read an entry: it is not JSON", { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw shapeError("it is no object");
  return value as Json;
}

function readEvent(json: Json, message: StreamMessage): AnyEvent {
  switch (json.type) {
    case "create":
    case "update":
    case "delete": {
      const [rev, cid] = [optional(json, "rev"), optional(json, "cid")];
      const commit = {
        ...(rev !== undefined && { rev }),
        operation: json.type,
        collection: text(json, "collection"),
        rkey: text(json, "rkey"),
        ...(isObject(json.record) && { record: json.record as Record<string, unknown> }),
        ...(cid !== undefined && { cid }),
      } as const;
      return { ...head(json, message), kind: "commit", commit };
    }
    case "account":
      return { ...head(json, message), kind: "account", account: { active: json.active !== false, ...about(json) } };
    case "identity": {
      const [handle, named] = [optional(json, "handle"), about(json)];
      const identity = { did: named.did, ...(handle !== undefined && { handle }), ...numbered(json) };
      return { ...head(json, message), kind: "identity", identity };
    }
    case "sync":
      return { ...head(json, message), kind: "sync", sync: { did: text(json, "did"), rev: text(json, "rev") } };
    case "label":
      if (!isObject(json.label)) throw shapeError("it has no label");
      return readLabel(json.label, undefined, originOf(json, message));
    case "repo": // the last entry of a downloaded repo
      return readRepo({ ...json, head: json.commit }, message);
    default:
      throw shapeError(`its type is ${JSON.stringify(json.type) ?? "missing"}`);
  }
}

/** What all events of accounts and records begin with. */
function head(json: Json, message: StreamMessage): Pick<AtEvent, "did" | "time_us" | "origin" | "relay" | "seq"> {
  const { seq } = numbered(json);
  const time = optional(json, "time");
  const commit = optional(json, "commit");
  return {
    did: text(json, "did"),
    time_us: (time === undefined ? undefined : micros(time)) ?? microsOfId(message.id),
    ...(seq !== undefined && { seq }),
    origin: originOf(json, message),
    ...(time !== undefined && { relay: { time, ...(commit !== undefined && { commit }) } }),
  };
}

function about(json: Json) {
  const status = optional(json, "status");
  return {
    did: text(json, "did"),
    // `rsky` begins its words with a capital, the network does not.
    ...(status !== undefined && { status: /^[A-Z]/.test(status) ? status.toLowerCase() : status }),
    ...numbered(json),
  };
}

/** Records of a download have numbers below 0, which are none. */
function numbered(json: Json): { seq?: number; time?: string } {
  const time = optional(json, "time");
  return {
    ...(typeof json.seq === "number" && json.seq >= 0 && { seq: json.seq }),
    ...(time !== undefined && { time }),
  };
}

function readLabels(json: Json, message: StreamMessage): AnyEvent[] {
  if (!Array.isArray(json.labels) || !json.labels.every(isObject)) throw shapeError("it has no labels");
  const origin = originOf(json, message);
  const seq = typeof json.seq === "number" ? json.seq : undefined;
  return json.labels.map((label) => {
    const members = Object.entries(label).filter(([, value]) => value !== null);
    return readLabel({ ...Object.fromEntries(members), cts: isoTime(text(label, "cts")) }, seq, origin);
  });
}

function readLabel(label: Json, seq: number | undefined, origin: Origin): LabelEvent {
  for (const name of ["src", "uri", "val", "cts"]) text(label, name);
  const time_us = micros(label.cts as string) ?? 0;
  return {
    kind: "label",
    time_us,
    ...(seq !== undefined && { seq }),
    origin,
    label: label as unknown as LabelEvent["label"],
  };
}

function readRepo(json: Json, message: StreamMessage): RepoEvent {
  const did = text(json, "did");
  const { status } = about(json);
  const [root, rev] = [optional(json, "head"), optional(json, "rev")];
  return {
    kind: "repo",
    did,
    time_us: microsOfId(message.id),
    origin: originOf(json, message),
    repo: {
      did,
      ...(root !== undefined && { head: root }),
      ...(rev !== undefined && { rev }),
      ...(typeof json.active === "boolean" && { active: json.active }),
      ...(status !== undefined && { status }),
    },
  };
}

/** `2024-10-23 17:51:19.128 UTC` as RFC 3339; other texts stay as they are. */
function isoTime(text: string): string {
  return text.replace(/^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?) UTC$/, "$1T$2Z");
}

/** By which host it came, where the entry says so, else from which stream. */
function originOf(json: Json, { stream }: StreamMessage): Origin {
  const host = optional(json, "host")?.replace(/^https:\/\//, "") ?? stream;
  const wire = typeof json.seq === "number" && json.seq < 0 ? "repo" : "relay";
  return { source: "consume", wire, host };
}

function micros(time: string): number | undefined {
  return microsOf(time) ?? parseTimestamp(time);
}

/** When the entry was added. */
function microsOfId(id: string): number {
  return Number(id.split("-")[0]) * 1000;
}

function text(json: Json, name: string): string {
  const value = json[name];
  if (typeof value !== "string") throw shapeError(`${name} is no text`);
  return value;
}

function optional(json: Json, name: string): string | undefined {
  const value = json[name];
  return typeof value === "string" ? value : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shapeError(why: string): PoisonError {
  return new PoisonError("unknown_shape", `Cannot read an entry: ${why}`);
}
