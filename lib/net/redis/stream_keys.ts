/**
 * The names of keys that belong to a stream.
 *
 * @module
 */

/** Where a stream's own keys are. */
export interface StreamKeys {
  /** The streams that entries are in: one, or its partitions. */
  readonly streams: readonly string[];
  /** Where the number of partitions stands. */
  readonly partitions: string;
  /** Who writes for a host, and how much was written. */
  writer(host: string): string;
  /** The position at a host. */
  cursor(host: string): string;
  /** The position at a host as a single server without partitions has it; undefined: that is the same key. */
  plainCursor(host: string): string | undefined;
}

/**
 * The keys of a stream. In a cluster, all that one script touches must be in one slot: a name in braces counts for the slot, and one
 * without counts whole, so that the stream keeps its name.
 */
export function streamKeys(stream: string, { partitions, cluster }: StreamShape): StreamKeys {
  const side = cluster || partitions !== undefined ? `{${stream}}` : stream;
  return {
    streams: partitions === undefined
      ? [stream]
      : Array.from({ length: partitions }, (_, i) => partitionStream(stream, i)),
    partitions: partitionsKey(stream),
    writer: (host) => `${side}:writer:${host}`,
    cursor: (host) => `${side}:cursor:${host}`,
    plainCursor: (host) => side === stream ? undefined : `${stream}:cursor:${host}`,
  };
}

/** What the keys depend on. */
export interface StreamShape {
  /** How many partitions there are; undefined: none. */
  readonly partitions?: number | undefined;
  readonly cluster: boolean;
}

/** The key with the number of a stream's partitions. */
export function partitionsKey(stream: string): string {
  return `{${stream}}:partitions`;
}

/** The `i`-th partition of a stream. */
export function partitionStream(stream: string, i: number): string {
  return `{${stream}}:${i}`;
}

/**
 * Who writes for a host: the host itself. Files are as many as there are days, and one program reads them all, so it is one writer for
 * all of `megastream:FILE`.
 */
export function writerOfHost(host: string): string {
  return /^(?:[^:]+:)?megastream(?=:)/.exec(host)?.[0] ?? host;
}

/** `bsky.network` of the source's key `firehose_live:cursor:bsky.network`; any other key stands for itself. */
export function hostOfKey(key: string): string {
  return /^[^:]*:cursor:(.+)$/s.exec(key)?.[1] ?? key;
}
