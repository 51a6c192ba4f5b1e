/**
 * Writes DAG-CBOR (https://atproto.com/specs/data-model): minimal lengths, keys by length and then by their bytes.
 *
 * Values are given as the data model's JSON form has them: `{"$link": cid}` is a link and `{"$bytes": base64}` are bytes, as a
 * `Uint8Array` is. So a record that was written here must come out of a reader as the JSON that went in.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { cidBytes } from "./cid.ts";

/** The start of an item: its type and a number. */
const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, list: 4, map: 5, tag: 6 } as const;
const FALSE = 0xf4, TRUE = 0xf5, NULL = 0xf6, FLOAT64 = 0xfb;
const LINK_TAG = 42;

/** Texts of so many characters are left to the encoder. */
const SHORT = 100;

const encoder = new TextEncoder();
/** Where a value is written before it is copied; grows as needed. */
let scratch = new Uint8Array(64 * 1024);
let view = new DataView(scratch.buffer);
let end = 0;

/**
 * A value as DAG-CBOR; members that are `undefined` are left out.
 *
 * @throws {RangeError} for integers that are not safe, NaN and infinities.
 */
export function encodeCbor(value: unknown): Uint8Array {
  end = 0;
  write(value);
  return scratch.slice(0, end);
}

/** A link to a block. */
export function link(cid: string): { readonly $link: string } {
  return { $link: cid };
}

function write(value: unknown): void {
  switch (typeof value) {
    case "string":
      return writeText(value);
    case "number":
      return writeNumber(value);
    case "boolean":
      return writeByte(value ? TRUE : FALSE);
    case "object":
      if (value === null) return writeByte(NULL);
      if (value instanceof Uint8Array) return writeBytes(value);
      if (Array.isArray(value)) {
        writeHead(MAJOR.list, value.length);
        return value.forEach(write);
      }
      return writeObject(value as Readonly<Record<string, unknown>>);
    default:
      throw new TypeError(`Cannot write a ${typeof value} as DAG-CBOR`);
  }
}

function writeObject(object: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(object).filter((key) => object[key] !== undefined);
  if (keys.length === 1) {
    if (typeof object.$link === "string") return writeLink(object.$link);
    if (typeof object.$bytes === "string") return writeBytes(Uint8Array.fromBase64(object.$bytes));
  }
  writeHead(MAJOR.map, keys.length);
  for (const key of keys.sort(inOrder)) {
    writeText(key);
    write(object[key]);
  }
}

function inOrder(a: string, b: string): number {
  if (isAscii(a) && isAscii(b)) return a.length - b.length || (a < b ? -1 : 1);
  return Buffer.byteLength(a) - Buffer.byteLength(b) || Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Whether UTF-8 has the text as it stands; most texts here are short, and a look at them is cheaper than the encoder. */
function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

function writeLink(cid: string): void {
  const bytes = cidBytes(cid);
  writeHead(MAJOR.tag, LINK_TAG);
  writeHead(MAJOR.bytes, bytes.length + 1);
  writeByte(0); // a binary CID's multibase prefix
  writeAll(bytes);
}

function writeBytes(bytes: Uint8Array): void {
  writeHead(MAJOR.bytes, bytes.length);
  writeAll(bytes);
}

function writeText(text: string): void {
  const ascii = text.length < SHORT && isAscii(text);
  writeHead(MAJOR.text, ascii ? text.length : Buffer.byteLength(text));
  reserve(text.length * 3);
  if (!ascii) end += encoder.encodeInto(text, scratch.subarray(end)).written;
  else for (let i = 0; i < text.length; i++) scratch[end++] = text.charCodeAt(i);
}

function writeNumber(number: number): void {
  if (Number.isInteger(number) && !Object.is(number, -0)) {
    if (!Number.isSafeInteger(number)) throw new RangeError(`Cannot write ${number} as DAG-CBOR: it is not safe`);
    return number < 0 ? writeHead(MAJOR.negative, -1 - number) : writeHead(MAJOR.unsigned, number);
  }
  if (!Number.isFinite(number)) throw new RangeError(`Cannot write ${number} as DAG-CBOR`);
  writeByte(FLOAT64);
  reserve(8);
  view.setFloat64(end, number);
  end += 8;
}

/** RFC 8949, section 3. */
function writeHead(major: number, number: number): void {
  reserve(9);
  const first = major << 5;
  if (number < 24) {
    scratch[end++] = first | number;
  } else if (number < 2 ** 8) {
    scratch[end++] = first | 24;
    scratch[end++] = number;
  } else if (number < 2 ** 16) {
    scratch[end++] = first | 25;
    view.setUint16(end, number);
    end += 2;
  } else if (number < 2 ** 32) {
    scratch[end++] = first | 26;
    view.setUint32(end, number);
    end += 4;
  } else {
    scratch[end++] = first | 27;
    view.setBigUint64(end, BigInt(number));
    end += 8;
  }
}

function writeByte(byte: number): void {
  reserve(1);
  scratch[end++] = byte;
}

function writeAll(bytes: Uint8Array): void {
  reserve(bytes.length);
  scratch.set(bytes, end);
  end += bytes.length;
}

function reserve(size: number): void {
  if (end + size <= scratch.length) return;
  const larger = new Uint8Array(Math.max(scratch.length * 2, end + size));
  larger.set(scratch.subarray(0, end));
  scratch = larger;
  view = new DataView(scratch.buffer);
}
