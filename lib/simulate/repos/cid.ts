/**
 * CIDs of what is written here.
 *
 * @module
 */
import { hash } from "node:crypto";
import { cidText } from "../../atproto/cid.ts";

/** The values of letters by their codes: RFC 4648, lower case, without padding. */
const VALUES = new Uint8Array(128);
for (const [value, letter] of [..."abcdefghijklmnopqrstuvwxyz234567"].entries()) VALUES[letter.charCodeAt(0)] = value;
/** Version 1, dag-cbor, sha2-256, 32 bytes. */
const DAG_CBOR_HEAD = [0x01, 0x71, 0x12, 0x20] as const;
const CID_BYTES = 36;

/** The CID of a DAG-CBOR block. */
export function cidOf(block: Uint8Array): string {
  const bytes = new Uint8Array(CID_BYTES);
  bytes.set(DAG_CBOR_HEAD);
  bytes.set(Uint8Array.fromHex(hash("sha256", block, "hex")), DAG_CBOR_HEAD.length);
  return cidText(bytes);
}

/** The binary form of a CID. */
export function cidBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length - 1) * 5 / 8));
  let at = 0, bits = 0, held = 0;
  for (let i = 1; i < text.length; i++) {
    held = (held << 5 | VALUES[text.charCodeAt(i)]!) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >>> bits;
  }
  return bytes;
}
