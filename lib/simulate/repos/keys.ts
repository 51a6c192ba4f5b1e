/**
 * Signing keys of accounts and labelers (https://atproto.com/specs/cryptography), made from a text: the same text gives the same
 * key, and the same key signs the same bytes with the same signature (RFC 6979).
 *
 * @module
 */
import { createHash } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";

/** The two curves that AT Protocol allows. */
export type Curve = "k256" | "p256";

/** A key pair. */
export interface SigningKey {
  readonly curve: Curve;
  readonly secret: Uint8Array;
  /** The public key as it stands in DID documents. */
  readonly multibase: string;
  /** 64 bytes, `r` and `s`, over the SHA-256 of `bytes`. */
  sign(bytes: Uint8Array): Uint8Array;
}

const CURVES = { k256: secp256k1, p256 } as const;
/** Multicodec prefixes of compressed public keys. */
const PREFIXES = { k256: [0xe7, 0x01], p256: [0x80, 0x24] } as const;
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** The key of a text. */
export function signingKey(text: string, curve: Curve = "k256"): SigningKey {
  const secret = new Uint8Array(createHash("sha256").update(text).digest());
  secret[0]! &= 0x7f; // below the order of both curves
  let multibase: string | undefined;
  return {
    curve,
    secret,
    get multibase() {
      return multibase ??= `z${base58([...PREFIXES[curve], ...CURVES[curve].getPublicKey(secret, true)])}`;
    },
    sign: (bytes) => CURVES[curve].sign(sha256(bytes), secret, { prehash: false, lowS: true }),
  };
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** Bitcoin's alphabet; there are no leading zeros here. */
function base58(bytes: readonly number[]): string {
  let number = bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
  let text = "";
  for (; number > 0n; number /= 58n) text = BASE58[Number(number % 58n)]! + text;
  return text;
}
