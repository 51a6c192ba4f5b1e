/**
 * A writer of zip archives that can also write wrong ones. Every entry has the same date.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { deflateRaw } from "./deflate.ts";

/** A file in an archive, and what is to be unusual about it. */
export interface ZipEntry {
  /** Ends in `/` for a folder. */
  readonly name: string;
  readonly data: Uint8Array;
  /** 0 stored, 8 deflated (default); for all others `data` goes in as it is. */
  readonly method?: number;
  /** Only the flag that says so. */
  readonly encrypted?: boolean;
  /** Sizes and CRC-32 come after the data; the header before it has zeros. */
  readonly dataDescriptor?: boolean;
  /** Sizes and position stand in zip64 fields. */
  readonly zip64?: boolean;
  readonly comment?: string;
  /** Extra field besides zip64's, with its own header. */
  readonly extra?: Uint8Array;
  /** Said instead of the right ones. */
  readonly crc?: number;
  readonly size?: number;
  /** How many bytes at the end of the packed data are left out; what the headers say fits the rest. */
  readonly cut?: number;
}

/** Which numbers the headers of an entry say. */
export interface EntryHead extends Pick<ZipEntry, "name" | "method" | "encrypted" | "dataDescriptor" | "zip64"> {
  readonly comment?: string;
  readonly extra?: Uint8Array;
  readonly crc: number;
  readonly size: number;
  readonly packedSize: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** 2025-10-21 00:00, as MS-DOS counts. */
const DOS_DATE = (2025 - 1980) << 9 | 10 << 5 | 21;
const UNKNOWN = 0xffffffff;
const utf8 = (text: string) => new TextEncoder().encode(text);

/** An archive. */
export function zipOf(
  entries: readonly ZipEntry[],
  options: { readonly comment?: string } = {},
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const put = (part: Uint8Array) => {
    parts.push(part);
    length += part.length;
  };
  const heads = entries.map((entry): EntryHead => {
    const whole = (entry.method ?? 8) === 8 ? deflateRaw(entry.data) : entry.data;
    const packed = whole.subarray(0, whole.length - (entry.cut ?? 0));
    const crc = entry.crc ?? crc32(entry.data);
    const head = { ...entry, crc, size: entry.size ?? entry.data.length, packedSize: packed.length, offset: length };
    put(localHeader(head));
    put(packed);
    if (entry.dataDescriptor) put(descriptorOf(head));
    return head;
  });
  put(directoryOf(heads, length, options.comment));
  return joined(parts);
}

/** What stands before an entry's data; always as long for the same name, whatever the numbers. */
export function localHeader(head: EntryHead): Uint8Array<ArrayBuffer> {
  const late = head.dataDescriptor === true;
  const known = late ? { ...head, crc: 0, size: 0, packedSize: 0 } : head;
  const extra = joined([head.zip64 ? wideField([known.size, known.packedSize]) : new Uint8Array(), extraOf(head)]);
  const name = utf8(head.name);
  return joined([numbers([[4, 0x04034b50], ...common(known), [2, name.length], [2, extra.length]]), name, extra]);
}

/** The directory at an archive's end. */
export function directoryOf(heads: readonly EntryHead[], start: number, comment = ""): Uint8Array<ArrayBuffer> {
  const entries = joined(heads.map(centralHeader));
  const wide = heads.some(({ zip64 }) => zip64);
  const end = start + entries.length;
  const said = utf8(comment);
  const count = heads.length;
  return joined([
    entries,
    wide ? wideEnd(count, entries.length, start, end) : new Uint8Array(),
    numbers([[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, wide ? UNKNOWN : entries.length]]),
    numbers([[4, wide ? UNKNOWN : start], [2, said.length]]),
    said,
  ]);
}

function wideEnd(count: number, size: number, start: number, at: number): Uint8Array {
  return joined([
    numbers([[4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, size], [
      8,
      start,
    ]]),
    numbers([[4, 0x07064b50], [4, 0], [8, at], [4, 1]]),
  ]);
}

function centralHeader(head: EntryHead): Uint8Array {
  const extra = joined([
    head.zip64 ? wideField([head.size, head.packedSize, head.offset]) : new Uint8Array(),
    extraOf(head),
  ]);
  const name = utf8(head.name), comment = utf8(head.comment ?? "");
  return joined([
    numbers([[4, 0x02014b50], [2, 45], ...common(head), [2, name.length], [2, extra.length], [2, comment.length]]),
    numbers([[2, 0], [2, 0], [4, head.name.endsWith("/") ? 0x10 : 0], [4, head.zip64 ? UNKNOWN : head.offset]]),
    name,
    extra,
    comment,
  ]);
}

type Fields = readonly (readonly [bytes: number, value: number])[];

/** What local and central headers share. */
function common({ encrypted, dataDescriptor, method, zip64, crc, size, packedSize }: EntryHead): Fields {
  const flags = (encrypted ? 1 : 0) | (dataDescriptor ? 8 : 0) | 0x800; // names are UTF-8
  return [
    [2, zip64 ? 45 : 20],
    [2, flags],
    [2, method ?? 8],
    [2, 0],
    [2, DOS_DATE],
    [4, crc],
    [4, zip64 ? UNKNOWN : packedSize],
    [4, zip64 ? UNKNOWN : size],
  ];
}

function descriptorOf({ crc, packedSize, size, zip64 }: EntryHead): Uint8Array {
  const width = zip64 ? 8 : 4;
  return numbers([[4, 0x08074b50], [4, crc], [width, packedSize], [width, size]]);
}

function wideField(values: readonly number[]): Uint8Array {
  return numbers([[2, 1], [2, values.length * 8], ...values.map((value) => [8, value] as const)]);
}

function extraOf({ extra }: EntryHead): Uint8Array {
  return extra ?? new Uint8Array();
}

function numbers(fields: Fields): Uint8Array {
  const bytes: number[] = [];
  for (const [width, value] of fields) {
    for (let i = 0; i < width; i++) bytes.push(Math.floor(value / 2 ** (8 * i)) % 256);
  }
  return Uint8Array.from(bytes);
}

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
