/**
 * What is known of the hosts that a source reads, and for how long something could not go on.
 *
 * @module
 */

/** Adds up the time in which something could not go on. */
export class BlockedTime {
  #total = 0;
  #since: number | undefined;

  /** Whether it cannot go on now. */
  get now(): boolean {
    return this.#since !== undefined;
  }

  /** It cannot go on from now; further calls change nothing. */
  begin(): void {
    this.#since ??= performance.now();
  }

  /** It goes on. */
  end(): void {
    this.#total = this.ms();
    this.#since = undefined;
  }

  /** All of that time until now, in milliseconds. */
  ms(): number {
    return this.#total + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }
}

/** As of a WebSocket: 0 connecting, 1 open, 2 closing, 3 closed. */
export type ReadyState = 0 | 1 | 2 | 3;

/** Live figures of one host, for whoever watches a run. Times are milliseconds since 1970. */
export class Link {
  /** The host, as positions name it. */
  readonly host: string;
  /** Which of its streams is read, where there are several. */
  wire: string | undefined;
  /** Whether it is to be read now: of hosts that stand in for each other, one is. */
  active = true;
  /** Whether events can come. */
  connected = false;
  /** Undefined: not dialled yet, or there is no socket. */
  readyState: ReadyState | undefined;
  /** When `connected` last changed; undefined: never yet. */
  since: number | undefined;
  /** Connections that were opened. */
  connections = 0;
  /** Of these the ones after the first, by how the one before had ended: `closed`, `silent`, `refused`, ... */
  readonly reconnects: Map<string, number> = new Map();
  /** As on the wire, after TLS. */
  bytesReceived = 0;
  /** When the last message came. */
  lastAt: number | undefined;
  /** Event time (microseconds since 1970) of the newest event. */
  lastTimeUs: number | undefined;
  /** The number of the newest event, where the host counts them. */
  lastSeq: number | undefined;
  /** Reading waits for what comes behind it. */
  readonly paused: BlockedTime = new BlockedTime();
  /** From a silence of so many milliseconds on something is wrong; undefined: silence says nothing. */
  busyMs: number | undefined;
  /** How often it could not be read. */
  failures = 0;
  /** Why not the last time, in one sentence. */
  lastError: string | undefined;
  /** To be told when back-pressure pauses the connection, and when it goes on. */
  readonly onPaused = (paused: boolean): void => paused ? this.paused.begin() : this.paused.end();
  #endedBy = "closed";

  /** Nothing is known yet. */
  constructor(host: string) {
    this.host = host;
  }

  /** A connection is begun. */
  dial(wire?: string): void {
    this.active = true;
    this.wire = wire;
    this.readyState = 0;
  }

  /** Events can come. */
  open(now: number = Date.now()): void {
    if (this.connected) return;
    if (this.readyState !== undefined) this.readyState = 1;
    this.connected = true;
    this.since = this.lastAt = now;
    if (this.connections++ > 0) this.reconnects.set(this.#endedBy, (this.reconnects.get(this.#endedBy) ?? 0) + 1);
  }

  /** Messages came. */
  receive(bytes: number, now: number = Date.now()): void {
    this.bytesReceived += bytes;
    this.lastAt = now;
  }

  /** It could not be read, and will be asked again. */
  fail(why: string): void {
    this.failures++;
    this.lastError = why;
  }

  /** The connection is gone, or did not come about. `how`: a short code. */
  end(how: string, now: number = Date.now()): void {
    if (this.readyState !== undefined) this.readyState = 3;
    if (this.connected || this.since === undefined) this.since = now;
    this.connected = false;
    this.paused.end();
    this.#endedBy = how;
  }
}

/** The figures of one of the hosts that stand in for each other, from now on the active one. It is added where it is not there yet. */
export function switchTo(links: Link[], host: string): Link {
  for (const link of links) link.active = link.host === host;
  const known = links.find((link) => link.active);
  if (known) return known;
  const link = new Link(host);
  links.push(link);
  return link;
}
