/**
 * Certificates for servers of tests.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { generateKeyPairSync, sign } from "node:crypto";

/** A self-signed certificate and its key, both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const SEQUENCE = 0x30, SET = 0x31, INTEGER = 0x02, BITS = 0x03, OCTETS = 0x04, OID = 0x06, UTF8 = 0x0c, UTC_TIME = 0x17;
const ECDSA_WITH_SHA256 = "2a8648ce3d040302", COMMON_NAME = "550403", SUBJECT_ALT_NAME = "551d11";

/** One DER value. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

function oid(hex: string): Buffer {
  return der(OID, Buffer.from(hex, "hex"));
}

/** Makes a certificate that is valid for some names, from 2020 to 2049. */
export function selfSigned(...names: readonly string[]): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const algorithm = der(SEQUENCE, oid(ECDSA_WITH_SHA256));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid(COMMON_NAME), der(UTF8, Buffer.from("test")))));
  const time = (text: string) => der(UTC_TIME, Buffer.from(text));
  const altNames = der(SEQUENCE, ...names.map((each) => der(0x82, Buffer.from(each))));
  const content = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))), // version 3
    der(INTEGER, Buffer.from([1])),
    algorithm,
    name,
    der(SEQUENCE, time("200101000000Z"), time("491231235959Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(SEQUENCE, der(SEQUENCE, oid(SUBJECT_ALT_NAME), der(OCTETS, altNames)))),
  );
  const signature = der(BITS, Buffer.from([0]), sign("sha256", content, privateKey));
  const lines = der(SEQUENCE, content, algorithm, signature).toString("base64").replaceAll(/.{64}/g, "$&\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
