/**
 * The checksums that S3 sends with an object. The SDK verifies them of bodies that come in one piece; ours may come in several.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";

/** What computes a checksum. */
interface Hash {
  update(bytes: Uint8Array): void;
  digest(): Promise<Uint8Array>;
}

/** A checksum that the service has sent, and what it is compared with. */
export interface Checksum {
  /** `CRC64NVME`, ... */
  readonly algorithm: string;
  update(bytes: Uint8Array): void;
  /** Says what is wrong when all bytes have come; undefined: nothing. */
  fault(): Promise<string | undefined>;
}

/** The checksum that came with a whole object, if one did. Checksums of the parts of an upload say nothing about the whole. */
export async function checksumOf(response: GetObjectCommandOutput): Promise<Checksum | undefined> {
  const found = CHECKSUMS.find(({ member }) => response[member] !== undefined);
  if (!found || response.ChecksumType === "COMPOSITE") return undefined;
  const expected = response[found.member]!;
  if (expected.includes("-")) return undefined; // as older servers mark a checksum of parts
  const algorithm = found.member.slice("Checksum".length);
  const hash = await found.hash();
  return {
    algorithm,
    update: (bytes) => hash.update(bytes),
    async fault() {
      const got = (await hash.digest()).toBase64();
      return got === expected ? undefined : `${algorithm} is ${got}, the service says ${expected}`;
    },
  };
}

/** The quick ones first. */
const CHECKSUMS = [
  { member: "ChecksumCRC32", hash: async () => new (await crc()).Crc32() },
  { member: "ChecksumCRC64NVME", hash: async () => new (await crc()).Crc64Nvme() },
  { member: "ChecksumCRC32C", hash: async () => new (await crc()).Crc32c() },
  { member: "ChecksumSHA1", hash: () => Promise.resolve(sha("sha1")) },
  { member: "ChecksumSHA256", hash: () => Promise.resolve(sha("sha256")) },
] as const satisfies readonly { member: keyof GetObjectCommandOutput; hash: () => Promise<Hash> }[];

const crc = () => import("@aws-sdk/checksums/crc");

function sha(name: string): Hash {
  const hash = createHash(name);
  return { update: (bytes) => void hash.update(bytes), digest: () => Promise.resolve(hash.digest()) };
}
