/**
 * Labels as labelers sign them (https://atproto.com/specs/label).
 *
 * @module
 */
import { encodeCbor } from "./cbor.ts";
import type { SigningKey } from "./keys.ts";

/** A label before it is signed. */
export interface Label {
  readonly ver?: number;
  /** The labeler's DID. */
  readonly src: string;
  /** `at://` or a DID. */
  readonly uri: string;
  /** The version of the record that is meant. */
  readonly cid?: string;
  readonly val: string;
  /** Takes the label back. */
  readonly neg?: boolean;
  /** RFC 3339. */
  readonly cts: string;
  /** When it ends, RFC 3339. */
  readonly exp?: string;
}

/** The label with `sig`, over the known members in front of it. */
export function signLabel(label: Label, key: SigningKey): Label & { readonly sig: Uint8Array } {
  return { ...label, sig: key.sign(labelBytes(label)) };
}

/** What is signed; members that a label may have besides are not part of it. */
export function labelBytes({ ver, src, uri, cid, val, neg, cts, exp }: Label): Uint8Array {
  return encodeCbor({ ver, src, uri, cid, val, neg, cts, exp });
}
