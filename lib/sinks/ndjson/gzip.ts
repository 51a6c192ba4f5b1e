/**
 * gzip members (RFC 1952) that carry their own length in an extra field, as BGZF does it.
 *
 * @module
 */
import { crc32, createInflateRaw, deflateRawSync, gunzipSync } from "node:zlib";
import { member, type MemberFormat, type ReadAt } from "./whole.ts";

/** ID, "deflate", flag FEXTRA, no time, system unknown, 8 bytes of extra field: subfield "bk" of 4 bytes, the length. */
const PREFIX = Uint8Array.of(0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, 0x62, 0x6b, 4, 0);
const TRAILER_BYTES = 8;
const FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16;
/** A header of another program: 10 bytes, an extra field of 64 KiB at most, then a name and a comment. */
const FOREIGN_HEADER_BYTES = 131_072;
const STEP_BYTES = 262_144;

/** See {@link MemberFormat}. */
export const GZIP: MemberFormat = {
  name: "gzip",
  prefix: PREFIX,
  encode(data) {
    const trailer = new DataView(new ArrayBuffer(TRAILER_BYTES));
    trailer.setUint32(0, crc32(data), true);
    trailer.setUint32(4, data.length, true);
    return member(PREFIX, deflateRawSync(data), new Uint8Array(trailer.buffer));
  },
  check: (bytes) => void gunzipSync(bytes),
  async foreignEnd(read, at, size) {
    const body = bodyStart(read(at, FOREIGN_HEADER_BYTES));
    if (body === undefined) return undefined;
    const end = await deflateEnd(read, at + body, size);
    return end === undefined || end + TRAILER_BYTES > size ? undefined : end + TRAILER_BYTES;
  },
};

/** The length of any gzip header. */
function bodyStart(bytes: Uint8Array): number | undefined {
  if (bytes.length < 10 || PREFIX.subarray(0, 3).some((byte, i) => bytes[i] !== byte)) return undefined;
  const flags = bytes[3]!;
  let at = 10;
  if (flags & FEXTRA) at += 2 + (bytes[at] ?? 0) + ((bytes[at + 1] ?? 0) << 8);
  for (const flag of [FNAME, FCOMMENT]) {
    if (!(flags & flag)) continue;
    const zero = bytes.indexOf(0, at);
    if (zero < 0) return undefined;
    at = zero + 1;
  }
  if (flags & FHCRC) at += 2;
  return at;
}

/** Where deflated data ends: what inflating takes no more of. */
async function deflateEnd(read: ReadAt, start: number, size: number): Promise<number | undefined> {
  const inflate = createInflateRaw();
  let failed = false;
  inflate.on("error", () => failed = true).resume();
  try {
    for (let fed = 0; start + fed < size && !failed;) {
      const chunk = read(start + fed, STEP_BYTES);
      await new Promise((resolve) => inflate.write(chunk, resolve));
      fed += chunk.length;
      if (!failed && inflate.bytesWritten < fed) return start + inflate.bytesWritten;
    }
    return undefined;
  } finally {
    inflate.destroy();
  }
}
