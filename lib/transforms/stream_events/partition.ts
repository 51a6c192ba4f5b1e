/**
 * Which partition of a stream a DID's entries are in.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";

const UTF8 = new TextEncoder();

/** FNV-1a, 32 bits, of the DID's UTF-8 bytes, modulo the number of partitions. */
export function partitionOf(did: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of UTF8.encode(did)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % partitions;
}

/** Whom an event is about: of a label, whoever owns what is labelled. */
export function subjectOf(event: AnyEvent): string {
  return event.kind === "label" ? didOfUri(event.label.uri) : event.did;
}

/** The DID in `at://did/...`, or the text itself. */
export function didOfUri(uri: string): string {
  return /^at:\/\/([^/]*)/.exec(uri)?.[1] ?? uri;
}
