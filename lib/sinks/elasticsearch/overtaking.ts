/**
 * Batches that failed, and what went past them before they came again.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import type { Purge, Write } from "../../transforms/elasticsearch/writes.ts";
import type { Line } from "./body.ts";
import { isOlder } from "./plan.ts";

/** Knows which events failed and will be written again, and what they must not bring back. */
export interface Overtaking {
  /** Nothing is remembered, and nothing can be overtaken: nobody need ask line by line. */
  readonly isIdle: boolean;
  /** The writes that were built for an event that failed. */
  built(event: AnyEvent): readonly Write[] | undefined;
  /** An event failed and will come again. */
  failed(event: AnyEvent, writes: readonly Write[]): void;
  /** An event is written, or dead. */
  settled(event: AnyEvent): void;
  /** A write is done. */
  done(write: Write): void;
  /** An account is about to be purged. */
  purging(purge: Purge): void;
  /**
   * What is to be sent for a line: itself, a delete in its place, or nothing.
   *
   * @param own The purges of its batch, version by DID. They come after the lines: what is older is found by them, and leaves the
   * tombstones that it should.
   */
  current(line: Line, event: AnyEvent, own?: ReadonlyMap<string, string>): Line | undefined;
}

/** Purges that are remembered: older ones have nothing on its way any more. */
const MOST_PURGES = 10_000;

/**
 * Versions alone see to it that a newer state stays, whatever comes last, except where something was taken away: Elasticsearch forgets
 * the versions of deleted documents when it is restarted, and a purge deletes only what it finds. So deletes are remembered as long as
 * anything waits to come again, which cannot be much: the pipeline lets only so many events past one that is not safe yet.
 */
export function overtaking(): Overtaking {
  const waiting = new Map<AnyEvent, readonly Write[]>();
  const deleted = new Map<string, string>();
  const purged = new Map<string, string>();

  /** The version of the purge that a write must not survive. */
  function purgedAt(event: AnyEvent, { kind, version }: Write): string | undefined {
    if (purged.size === 0 || kind === "post_tombstones" || event.kind === "label" || event.kind === "repo") {
      return undefined;
    }
    const at = purged.get(event.did);
    return at !== undefined && isOlder(version, at) ? at : undefined;
  }

  return {
    get isIdle() {
      return waiting.size === 0 && deleted.size === 0 && purged.size === 0;
    },
    built: (event) => waiting.get(event),
    failed: (event, writes) => void waiting.set(event, writes),
    settled(event) {
      if (waiting.delete(event) && waiting.size === 0) deleted.clear();
    },
    done(write) {
      if (waiting.size > 0 && write.action === "delete") raise(deleted, keyOf(write), write.version);
    },
    purging({ did, version }) {
      raise(purged, did, version);
      if (purged.size > MOST_PURGES) purged.delete(purged.keys().next().value!);
    },
    current(line, event, own) {
      const { write } = line;
      if (write.action === "delete") return line;
      if (deleted.size > 0 && isOlder(write.version, deleted.get(keyOf(write)) ?? "")) return undefined;
      const version = purgedAt(event, write);
      const isFound = "did" in event && isOlder(write.version, own?.get(event.did) ?? "");
      // The attempt that failed may have got through after all, and so late that the purge did not find it.
      return version === undefined || isFound ? line : { ...line, write: deleteOf(write, version) };
    },
  };
}

/** Keeps the highest version, which need not be the last one, and puts it behind all others. */
function raise(versions: Map<string, string>, key: string, version: string): void {
  const known = versions.get(key);
  versions.delete(key);
  versions.set(key, known !== undefined && isOlder(version, known) ? known : version);
}

function keyOf({ kind, id }: Write): string {
  return `${kind} ${id}`;
}

function deleteOf({ kind, id, uri }: Write, version: string): Write {
  return { kind, action: "delete", id, uri, version };
}
