/**
 * Writes CAR v1 files (https://ipld.io/specs/transport/car/carv1/).
 *
 * @module
 */
import { concatBytes } from "./bytes.ts";
import { encodeCbor, link } from "./cbor.ts";
import { cidBytes } from "./cid.ts";

/** Blocks by their CIDs. */
export type Blocks = ReadonlyMap<string, Uint8Array>;

/** A CAR with one root, and the blocks in the order given. */
export function encodeCar(root: string, blocks: Blocks): Uint8Array {
  const header = encodeCbor({ version: 1, roots: [link(root)] });
  const parts = [varint(header.length), header];
  for (const [cid, block] of blocks) {
    const id = cidBytes(cid);
    parts.push(varint(id.length + block.length), id, block);
  }
  return concatBytes(parts);
}

/** Unsigned LEB128. */
function varint(number: number): Uint8Array {
  const bytes: number[] = [];
  for (; number > 127; number >>>= 7) bytes.push(number & 127 | 128);
  return Uint8Array.of(...bytes, number);
}
