/**
 * Zip archives made by hand, right ones and wrong ones: what it writes is what it is told, true or not.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";

/** One entry of an archive. */
export interface ZipEntry {
  readonly name: string;
  /** What it holds. */
  readonly data: Uint8Array;
  /** @default {"deflate"} */
  readonly method?: "stored" | "deflate";
  /** The number of the method that is declared; default: that of `method`. */
  readonly declaredMethod?: number;
  /** What is stored, in place of `data` compressed. */
  readonly packed?: Uint8Array;
  /** The checksum that is declared; default: that of `data`. */
  readonly crc?: number;
  /** The size of `data` that is declared; default: its own. */
  readonly size?: number;
  /** Sizes and offset in 64 bits, in an extra field. */
  readonly zip64?: boolean;
  /** Checksum and sizes behind the data and not in front. */
  readonly dataDescriptor?: boolean;
  /** Sets the flag; nothing is encrypted. */
  readonly encrypted?: boolean;
  /** More extra fields, in both headers. */
  readonly extra?: Uint8Array;
  readonly comment?: string;
}

/** Of the archive as a whole. */
export interface ZipOptions {
  /** Ends with the records of zip64 also where they are not needed. */
  readonly zip64?: boolean;
  readonly comment?: string;
}

const METHODS = { stored: 0, deflate: 8 };
const NONE_32 = 0xffffffff, NONE_16 = 0xffff;
/** 2026-01-01, 00:00:00, as MS-DOS has it. */
const DOS_DATE = (46 << 9) | (1 << 5) | 1;

/** An archive. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT */
export function zip(entries: readonly ZipEntry[], options: ZipOptions = {}): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const entry of entries) {
    const written = [...localPart(entry)];
    directory.push(centralHeader(entry, offset));
    parts.push(...written);
    offset += length(written);
  }
  const size = length(directory);
  const tail = endRecords({ count: entries.length, offset, size }, options);
  return new Uint8Array(Buffer.concat([...parts, ...directory, ...tail]));
}

function length(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function packedOf({ data, packed, method }: ZipEntry): Uint8Array {
  return packed ?? (method === "stored" ? data : deflateRawSync(data));
}

/** What both headers have from the version on to the extra field's length. */
function commonHeader(entry: ZipEntry, extra: Uint8Array, later: boolean): Buffer {
  const header = Buffer.alloc(26);
  const { name, method = "deflate", zip64 } = entry;
  header.writeUInt16LE(zip64 ? 45 : 20, 0);
  header.writeUInt16LE((entry.encrypted ? 1 : 0) | (entry.dataDescriptor ? 8 : 0) | 0x800, 2); // names are UTF-8
  header.writeUInt16LE(entry.declaredMethod ?? METHODS[method], 4);
  header.writeUInt16LE(DOS_DATE, 8);
  if (!later) {
    header.writeUInt32LE(entry.crc ?? crc32(entry.data), 10);
    header.writeUInt32LE(zip64 ? NONE_32 : packedOf(entry).length, 14);
    header.writeUInt32LE(zip64 ? NONE_32 : entry.size ?? entry.data.length, 18);
  }
  header.writeUInt16LE(Buffer.byteLength(name), 22);
  header.writeUInt16LE(extra.length, 24);
  return header;
}

function sizes64(entry: ZipEntry): Buffer {
  const sizes = Buffer.alloc(16);
  sizes.writeBigUInt64LE(BigInt(entry.size ?? entry.data.length), 0);
  sizes.writeBigUInt64LE(BigInt(packedOf(entry).length), 8);
  return sizes;
}

function extraField(id: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(data.length, 2);
  return Buffer.concat([head, data]);
}

function localPart(entry: ZipEntry): Uint8Array[] {
  const { name, extra = Buffer.alloc(0), zip64, dataDescriptor } = entry;
  const all = Buffer.concat([zip64 && !dataDescriptor ? extraField(1, sizes64(entry)) : Buffer.alloc(0), extra]);
  const packed = packedOf(entry);
  const head = [Buffer.from("PK\x03\x04"), commonHeader(entry, all, dataDescriptor ?? false), Buffer.from(name), all];
  return [...head, packed, ...(dataDescriptor ? [descriptor(entry, packed.length)] : [])];
}

function descriptor(entry: ZipEntry, packedLength: number): Buffer {
  const head = Buffer.alloc(8);
  head.write("PK\x07\x08", "latin1");
  head.writeUInt32LE(entry.crc ?? crc32(entry.data), 4);
  const size = entry.size ?? entry.data.length;
  const sizes = Buffer.alloc(entry.zip64 ? 16 : 8);
  if (entry.zip64) {
    sizes.writeBigUInt64LE(BigInt(packedLength), 0);
    sizes.writeBigUInt64LE(BigInt(size), 8);
  } else {
    sizes.writeUInt32LE(packedLength, 0);
    sizes.writeUInt32LE(size, 4);
  }
  return Buffer.concat([head, sizes]);
}

function centralHeader(entry: ZipEntry, offset: number): Uint8Array {
  const { name, extra = Buffer.alloc(0), comment = "", zip64 } = entry;
  const offset64 = Buffer.alloc(8);
  offset64.writeBigUInt64LE(BigInt(offset));
  const all = Buffer.concat([
    zip64 ? extraField(1, Buffer.concat([sizes64(entry), offset64])) : Buffer.alloc(0),
    extra,
  ]);
  const madeBy = Buffer.from([zip64 ? 45 : 20, 3]);
  const rest = Buffer.alloc(14);
  rest.writeUInt16LE(Buffer.byteLength(comment), 0);
  rest.writeUInt32LE(zip64 ? NONE_32 : offset, 10);
  const common = commonHeader(entry, all, false);
  return Buffer.concat([Buffer.from("PK\x01\x02"), madeBy, common, rest, Buffer.from(name), all, Buffer.from(comment)]);
}

/** Where the directory lies. */
interface Directory {
  readonly count: number;
  readonly offset: number;
  readonly size: number;
}

function endRecords(directory: Directory, { zip64, comment = "" }: ZipOptions): Uint8Array[] {
  const { count, offset, size } = directory;
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(zip64 ? NONE_16 : count, 8);
  end.writeUInt16LE(zip64 ? NONE_16 : count, 10);
  end.writeUInt32LE(zip64 ? NONE_32 : size, 12);
  end.writeUInt32LE(zip64 ? NONE_32 : offset, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return [...(zip64 ? endRecords64(directory) : []), end, Buffer.from(comment)];
}

function endRecords64({ count, offset, size }: Directory): Uint8Array[] {
  const end = Buffer.alloc(56);
  end.write("PK\x06\x06", "latin1");
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(45, 12);
  end.writeUInt16LE(45, 14);
  end.writeBigUInt64LE(BigInt(count), 24);
  end.writeBigUInt64LE(BigInt(count), 32);
  end.writeBigUInt64LE(BigInt(size), 40);
  end.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.write("PK\x06\x07", "latin1");
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return [end, locator];
}
