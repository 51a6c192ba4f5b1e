/**
 * `/stats/events`: everything that the dashboard shows, every second, as server-sent events.
 *
 * @module
 */
import type { RatePoint, Snapshot } from "./snapshot.ts";

const MOST_LISTENERS = 20;
/** A comment keeps proxies from ending a silent stream, in seconds. */
const COMMENT_EVERY = 15;

/** A snapshot and the points that are newer than a time (seconds since 1970). */
export interface Moment {
  readonly snapshot: Omit<Snapshot, "rates">;
  ratesAfter(at: number): readonly RatePoint[];
}

/** The listeners of a server. */
export interface SnapshotEvents {
  /** A stream for one more; undefined: there are enough. */
  open(): ReadableStream<Uint8Array> | undefined;
  /** How many there are. */
  readonly listeners: number;
  /** Sends everybody who has taken the last snapshot the present one; called every second. */
  tick(): void;
  /** Ends all streams, and opens none any more. */
  close(): void;
}

/** @param present Asked at most once a second, and once for each new listener. */
export function snapshotEvents(present: () => Moment): SnapshotEvents {
  const listeners = new Set<Listener>();
  let closed = false;
  return {
    get listeners() {
      return listeners.size;
    },
    open() {
      if (closed || listeners.size >= MOST_LISTENERS) return undefined;
      const listener = new Listener(() => listeners.delete(listener));
      listeners.add(listener);
      listener.begin(present());
      return listener.stream;
    },
    tick() {
      if (listeners.size === 0) return;
      const moment = present();
      // The text that all have in common is made once.
      const text = JSON.stringify(moment.snapshot);
      for (const listener of listeners) listener.send(text, moment);
    },
    close() {
      closed = true;
      for (const listener of [...listeners]) listener.end();
    },
  };
}

/** One stream. Whoever reads slowly gets fewer snapshots, and none waits for him. */
class Listener {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #onGone: () => void;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #lastPoint = 0;
  #ticks = 0;

  constructor(onGone: () => void) {
    this.#onGone = onGone;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      cancel: onGone,
    }, { highWaterMark: 1 });
  }

  begin(moment: Moment): void {
    this.#write(`retry: 3000\n\n${this.#event(JSON.stringify(moment.snapshot), moment)}`);
  }

  send(text: string, moment: Moment): void {
    if ((this.#controller.desiredSize ?? 0) <= 0) return;
    const comment = ++this.#ticks % COMMENT_EVERY === 0 ? ": still here\n\n" : "";
    this.#write(comment + this.#event(text, moment));
  }

  end(): void {
    this.#onGone();
    this.#controller.close();
  }

  #event(snapshot: string, moment: Moment): string {
    const rates = moment.ratesAfter(this.#lastPoint);
    this.#lastPoint = rates.at(-1)?.[0] ?? this.#lastPoint;
    return `event: snapshot\ndata: ${snapshot.slice(0, -1)},"rates":${JSON.stringify(rates)}}\n\n`;
  }

  #write(text: string): void {
    this.#controller.enqueue(this.#encoder.encode(text));
  }
}
