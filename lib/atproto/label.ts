/**
 * Messages of `com.atproto.label.subscribeLabels` (https://atproto.com/specs/label, lexicon com.atproto.label.defs).
 *
 * @module
 */
import { PoisonError } from "../pipeline/errors.ts";
import type { LabelEvent, Origin } from "./event.ts";
import { badField, decodeBody, isSeq, MAX_LIST } from "./frame.ts";
import { type CborMap, isMap } from "./cbor.ts";
import type { InfoMessage } from "./repo_message.ts";
import { decodeRepoMessage } from "./repo_message.ts";
import { microsOf, parseTimestamp } from "./time.ts";

/** Labels that were set or taken back. */
export interface LabelsMessage {
  /** As in the frame's header. */
  readonly type: "#labels";
  /** The position. */
  readonly seq: number;
  /** As they were sent: what is wrong with one costs that one alone. */
  readonly labels: readonly unknown[];
}

/**
 * Decodes the body of a message; `undefined` for types that are not known: these may have a position still, see `seqOf`.
 *
 * @param type With its `#`.
 * @throws {PoisonError} `frame-body`, `frame-trailing`, `cbor-*` or `field-<name>`.
 */
export function decodeLabelMessage(type: string, body: Uint8Array): LabelsMessage | InfoMessage | undefined {
  if (type === "#info") return decodeRepoMessage(type, body) as InfoMessage;
  if (type !== "#labels") return undefined;
  const { seq, labels } = decodeBody(body);
  if (!isSeq(seq)) throw badField("seq");
  if (!Array.isArray(labels) || labels.length > MAX_LIST) throw badField("labels");
  return { type, seq, labels };
}

/** What a message became. */
export interface LabelEvents {
  /** One for each label, in their order. They belong into one batch. */
  readonly events: readonly LabelEvent[];
  /** Labels that cannot become events: `label-field`, with `seq` and `label` (its place in the message) as `detail`. */
  readonly rejected: readonly PoisonError[];
  /** Events whose `cts` could not be read, so that the clock's time is in them. */
  readonly badTimes: number;
}

/**
 * Makes the events of a message.
 *
 * @param options.now The clock that stands in for a time that cannot be read: milliseconds since 1970.
 */
export function labelEvents(
  { seq, labels }: LabelsMessage,
  { origin, now }: { readonly origin: Origin; readonly now: () => number },
): LabelEvents {
  const events: LabelEvent[] = [];
  const rejected: PoisonError[] = [];
  let badTimes = 0;
  for (const [i, each] of labels.entries()) {
    try {
      const label = labelJson(each, seq, i);
      const time_us = microsOf(label.cts) ?? parseTimestamp(label.cts);
      if (time_us === undefined) badTimes++;
      events.push({ kind: "label", time_us: time_us ?? now() * 1000, seq, origin, label });
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      rejected.push(error);
    }
  }
  return { events, rejected, badTimes };
}

/** The fields that must be there and those that may, and what they are. */
const FIELDS: Readonly<Record<keyof LabelEvent["label"], (value: unknown) => boolean>> = {
  ver: (value) => Number.isInteger(value),
  src: isText,
  uri: isText,
  cid: isText,
  val: isText,
  neg: (value) => typeof value === "boolean",
  cts: isText,
  exp: isText,
  sig: (value) => value instanceof Uint8Array,
};
const REQUIRED: readonly string[] = ["src", "uri", "val", "cts"];

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

/**
 * The known fields of a decoded label that are present, `sig` in JSON form. Null counts as absent.
 *
 * @param seq For the dead letter, as is `place`, that of the label in its message.
 * @throws {PoisonError} `label-field` where `src`, `uri`, `val` or `cts` is missing, or any field is not of its type.
 */
export function labelJson(label: unknown, seq: number, place: number): LabelEvent["label"] {
  const bad = (why: string) =>
    new PoisonError("label-field", `Cannot use label: ${why}`, { detail: { seq, label: place } });
  if (!isMap(label)) throw bad("it is not a map");
  const json: CborMap = {};
  for (const [name, isRight] of Object.entries(FIELDS)) {
    const value = label[name] ?? undefined;
    if (value === undefined) {
      if (REQUIRED.includes(name)) throw bad(`${name} is missing`);
      continue;
    }
    if (!isRight(value)) throw bad(`${name} is not what it should be`);
    json[name] = value instanceof Uint8Array ? { $bytes: value.toBase64({ omitPadding: true }) } : value;
  }
  return json as unknown as LabelEvent["label"];
}
