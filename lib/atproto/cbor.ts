/**
 * DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/) in one pass, for bytes that a stranger wrote: whatever they are, they are
 * decoded or refused with a `PoisonError`, in time and memory proportional to their length.
 *
 * Keys may come in any order, finite floats of any width are accepted and `undefined` is read as null. Refused is all else that the
 * format forbids, and integers that a number cannot hold. The codes: `cbor-truncated`, `cbor-trailing`, `cbor-indefinite`,
 * `cbor-minimal`, `cbor-range`, `cbor-float`, `cbor-utf8`, `cbor-key`, `cbor-duplicate`, `cbor-tag`, `cbor-link`, `cbor-simple`,
 * `cbor-depth`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { PoisonError } from "../pipeline/errors.ts";
import { Cid, cidText, isCid } from "./cid.ts";

/** The deepest nesting of lists and maps; each level takes some of the stack. */
export const MAX_DEPTH = 1000;

/** A decoded map. */
export type CborMap = Record<string, unknown>;

interface Reader {
  readonly bytes: Buffer;
  /** The next byte. */
  at: number;
  /** Lists and maps that are open. */
  depth: number;
  /** Whether links become `{"$link": ...}` and byte strings `{"$bytes": ...}`. */
  readonly json: boolean;
}

/**
 * Decodes the item that begins at `start` and does not look at what follows. Links become {@link Cid}s, byte strings views.
 *
 * @throws {PoisonError} `cbor-*`, see the module.
 */
export function decodeFirst(bytes: Uint8Array, start = 0): { readonly value: unknown; readonly end: number } {
  const reader = readerOf(bytes, start, false);
  return { value: readItem(reader), end: reader.at };
}

/**
 * Decodes bytes that are one item and nothing else. Links become {@link Cid}s, byte strings views.
 *
 * @throws {PoisonError} `cbor-*`, see the module.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  return readWhole(readerOf(bytes, 0, false));
}

/**
 * As {@link decodeCbor}, but in the JSON form of the data model (https://atproto.com/specs/data-model): links become
 * `{"$link": "<cid>"}`, byte strings `{"$bytes": "<base64 without padding>"}`.
 *
 * @throws {PoisonError} `cbor-*`, see the module.
 */
export function decodeJson(bytes: Uint8Array): unknown {
  return readWhole(readerOf(bytes, 0, true));
}

/** Whether a decoded value is a map. */
export function isMap(value: unknown): value is CborMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array) &&
    !(value instanceof Cid);
}

/** Whether an item that begins at `start` is a map. */
export function isMapAt(bytes: Uint8Array, start: number): boolean {
  return (bytes[start] ?? 0) >> 5 === 5;
}

function readerOf(bytes: Uint8Array, at: number, json: boolean): Reader {
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { bytes: buffer, at, depth: 0, json };
}

function readWhole(reader: Reader): unknown {
  const value = readItem(reader);
  if (reader.at !== reader.bytes.length) throw bad("trailing", "something follows the item");
  return value;
}

function bad(reason: string, why: string): PoisonError {
  return new PoisonError(`cbor-${reason}`, `Cannot decode CBOR: ${why}`);
}

const truncated = () => bad("truncated", "it ends within an item");

function readItem(reader: Reader): unknown {
  const first = reader.bytes[reader.at++];
  if (first === undefined) throw truncated();
  const info = first & 31;
  switch (first >> 5) {
    case 0:
      return readNumber(reader, info);
    case 1:
      return readNegative(reader, info);
    case 2:
      return readBytes(reader, info);
    case 3:
      return readText(reader, readLength(reader, info));
    case 4:
      return readList(reader, info);
    case 5:
      return readMap(reader, info);
    case 6:
      return readLink(reader, info);
    default:
      return readSimple(reader, info);
  }
}

/** The number that follows an initial byte, in the shortest form that holds it. */
function readNumber(reader: Reader, info: number): number {
  if (info < 24) return info;
  const { bytes, at } = reader;
  if (info > 27) throw bad("indefinite", "a length is indefinite or reserved");
  const width = 1 << (info - 24);
  if (at + width > bytes.length) throw truncated();
  reader.at += width;
  const number = width === 8 ? readWide(bytes, at) : bytes.readUIntBE(at, width);
  // What fits into half the width, or into the initial byte, has to be there.
  if (number < (width === 1 ? 24 : 2 ** (4 * width))) throw bad("minimal", "a number is longer than it has to be");
  return number;
}

function readWide(bytes: Buffer, at: number): number {
  const number = bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
  if (number > Number.MAX_SAFE_INTEGER) throw bad("range", "an integer is beyond 2^53 - 1");
  return number;
}

function readNegative(reader: Reader, info: number): number {
  const number = -1 - readNumber(reader, info);
  if (number < Number.MIN_SAFE_INTEGER) throw bad("range", "an integer is beyond -(2^53 - 1)");
  return number;
}

/** A length in bytes or items, each of which takes a byte at least. */
function readLength(reader: Reader, info: number): number {
  const length = readNumber(reader, info);
  if (length > reader.bytes.length - reader.at) throw truncated();
  return length;
}

function readBytes(reader: Reader, info: number): unknown {
  const length = readLength(reader, info);
  const start = reader.at;
  reader.at += length;
  const value = reader.bytes.subarray(start, reader.at);
  return reader.json ? { $bytes: value.toBase64({ omitPadding: true }) } : value;
}

/** The byte order mark is text like any other here. */
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readText(reader: Reader, length: number): string {
  const start = reader.at;
  reader.at += length;
  const text = reader.bytes.toString("utf8", start, reader.at);
  // A third of what the strict decoder takes; only where this one may have replaced something, that one is asked.
  if (!text.includes("\ufffd")) return text;
  try {
    return strictUtf8.decode(reader.bytes.subarray(start, reader.at));
  } catch {
    throw bad("utf8", "a text is not UTF-8");
  }
}

function readList(reader: Reader, info: number): unknown[] {
  const length = readLength(reader, info);
  enter(reader);
  const list: unknown[] = [];
  for (let i = 0; i < length; i++) list.push(readItem(reader));
  reader.depth--;
  return list;
}

function enter(reader: Reader): void {
  if (++reader.depth > MAX_DEPTH) throw bad("depth", `it is nested more than ${MAX_DEPTH} deep`);
}

function readMap(reader: Reader, info: number): CborMap {
  const length = readLength(reader, info);
  enter(reader);
  const map: CborMap = {};
  let last = "";
  for (let i = 0; i < length; i++) {
    const key = readKey(reader);
    // In the format's own order each key is above all before it, so that only others have to be looked for.
    if (isAbove(key, last) || i === 0) last = key;
    else if (Object.hasOwn(map, key)) throw bad("duplicate", "a key is there twice");
    const value = readItem(reader);
    if (key === "__proto__") {
      Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
    } else map[key] = value;
  }
  reader.depth--;
  return map;
}

function isAbove(key: string, last: string): boolean {
  return key.length === last.length ? key > last : key.length > last.length;
}

/** Longer keys are rare. */
const LONGEST_KNOWN = 24;
/** Keys that were read lately, by a hash of their bytes: the same few come all the time, and making a string costs more. */
const known: (string | undefined)[] = new Array(1024).fill(undefined);

function readKey(reader: Reader): string {
  const first = reader.bytes[reader.at++];
  if (first === undefined) throw truncated();
  if (first >> 5 !== 3) throw bad("key", "a key is not a text");
  const length = readLength(reader, first & 31);
  if (length > LONGEST_KNOWN) return readText(reader, length);
  const { bytes, at } = reader;
  let slot = length;
  for (let i = 0; i < length; i++) slot = (slot * 31 + bytes[at + i]!) & 1023;
  const candidate = known[slot];
  if (candidate !== undefined && isTextAt(candidate, bytes, at, length)) {
    reader.at += length;
    return candidate;
  }
  const key = readText(reader, length);
  if (key.length === length) known[slot] = key; // ASCII, as characters are compared with bytes
  return key;
}

/** Whether these bytes are the text, which is ASCII. */
function isTextAt(text: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}

/** The only tag is that of links: a byte string with the CID behind a zero (https://github.com/ipld/cid-cbor). */
function readLink(reader: Reader, info: number): unknown {
  if (readNumber(reader, info) !== 42) throw bad("tag", "a tag is not 42");
  const first = reader.bytes[reader.at++];
  if (first === undefined) throw truncated();
  if (first >> 5 !== 2) throw bad("link", "a link is not a byte string");
  const length = readLength(reader, first & 31);
  const start = reader.at;
  reader.at += length;
  const cid = reader.bytes.subarray(start + 1, reader.at);
  if (reader.bytes[start] !== 0 || length === 0 || !isCid(cid)) throw bad("link", "a link is not a CID of version 1");
  return reader.json ? { $link: cidText(cid) } : new Cid(cid);
}

function readSimple(reader: Reader, info: number): unknown {
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
    case 23: // undefined
      return null;
    case 25:
    case 26:
    case 27:
      return readFloat(reader, 1 << (info - 24));
    case 31:
      throw bad("indefinite", "a break stands alone");
    default:
      throw bad("simple", "a simple value is none of true, false and null");
  }
}

function readFloat(reader: Reader, width: number): number {
  const { bytes, at } = reader;
  reader.at += width;
  if (reader.at > bytes.length) throw truncated();
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, width);
  const number = width === 2 ? view.getFloat16(0) : width === 4 ? view.getFloat32(0) : view.getFloat64(0);
  if (!Number.isFinite(number)) throw bad("float", "a float is not finite");
  return number;
}
