/**
 * The queue file and what of it is in memory: the requests that come first, and of those the ones that may go with their content.
 *
 * @module
 */
import { type Content, piecesOf, type Request, withoutParked } from "./requests.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Change, QueuePosition, QueueStore } from "./store.ts";

/** Contents in memory: so many events, or bytes. */
const MOST_EVENTS = 10_000, MOST_BYTES = 2 ** 26;
/** Requests in memory, most of them without content: they wait for one of their account. */
const MOST_REQUESTS = 50_000;
/** Events that are read from the file at once. */
const CHUNK = 2000;

/** Options of {@link createBacklog}. */
export interface BacklogOptions {
  readonly store: QueueStore;
  readonly scheduler: Scheduler;
  /** The most events of a request: one that was made with another limit is cut. */
  readonly batch: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** No request is put off for longer, in milliseconds: what the file says may be by a clock that was wrong. */
  readonly longestWaitMs: number;
}

/** See the module. */
export interface Backlog {
  /** Events in the file that are not done. */
  readonly events: number;
  /** Whether {@link Backlog.refill} would read something. */
  readonly hasMore: boolean;
  /** Whether what is added now must be read from the file again. */
  readonly isBehind: boolean;
  /** Adds requests, with the position, and writes whatever else is to be written. */
  add(
    contents: readonly Content[],
    position: QueuePosition | undefined,
    change: Change,
    signal?: AbortSignal,
  ): Promise<void>;
  /** Reads on in the file while there is room. */
  refill(): Promise<void>;
  /** Looks whether another process has added something. */
  look(): void;
  /** What a request says. */
  contentOf(request: Request): Content;
  /** A request that was taken is to be tried again at `due`: others of its accounts wait for it, and nothing else does. */
  park(request: Request, due: number): Promise<void>;
  /** A request that was taken is cut. */
  cut(request: Request, contents: readonly Content[]): Promise<void>;
  /** A request that was taken is done. */
  finish(request: Request): void;
}

/** Reads nothing yet. */
export function createBacklog({ store, scheduler, batch, now, longestWaitMs }: BacklogOptions): Backlog {
  let events = store.count();
  let version = store.version();
  let nextId = store.nextId();
  /** Requests from this number on are in the file only. */
  let loadedTo = events > 0 ? 0 : nextId;
  let heldEvents = 0, heldBytes = 0;
  const exclusively = oneAtATime();

  const hasRoom = () => heldEvents < MOST_EVENTS && heldBytes < MOST_BYTES && scheduler.size < MOST_REQUESTS;

  function hold({ content, count }: Request, sign: 1 | -1): void {
    if (content === undefined) return;
    heldEvents += sign * count;
    heldBytes += sign * content.body.length;
  }

  function drop(request: Request): void {
    hold(request, -1);
    request.content = undefined;
  }

  const contentOf = (request: Request) => request.content ?? store.read(request.id);

  function dueOf({ notBefore, createdAt }: Request): number {
    return notBefore > 0 ? Math.min(notBefore, now() + longestWaitMs) : Math.min(createdAt, now());
  }

  /** Requests in place of one that must not be sent as it is; undefined: it may. */
  function partsOf(request: Request, isParked: (account: string) => boolean): Content[] | undefined {
    const { count, attempts, deferrals } = request;
    if (count === 1) return undefined;
    if (count > batch) return piecesOf(contentOf(request), batch);
    // What was sent once is sent again as it was.
    if (attempts + deferrals > 0 || !request.accounts.some(isParked)) return undefined;
    const parts = withoutParked(contentOf(request), isParked);
    return parts.length > 1 ? parts : undefined;
  }

  function take(request: Request): void {
    hold(request, 1);
    scheduler.add(request, dueOf(request));
    if (request.accounts.some(scheduler.isParked)) drop(request);
  }

  async function admit(requests: readonly Request[]): Promise<void> {
    for (const request of requests) {
      const parts = partsOf(request, scheduler.isParked);
      if (parts === undefined) take(request);
      else for (const part of await store.replace(request, parts)) take(part);
    }
  }

  async function replace(request: Request, contents: readonly Content[], due: number): Promise<void> {
    const parts = await store.replace(request, contents);
    drop(request);
    for (const part of parts) hold(part, 1);
    scheduler.replace(request, parts, due);
  }

  /** Every event has a number, so that those of another process are counted too. */
  function grow(next: number): void {
    events += next - nextId;
    nextId = next;
  }

  return {
    get events() {
      return events;
    },
    get hasMore() {
      return loadedTo < nextId && hasRoom();
    },
    get isBehind() {
      return loadedTo < nextId || !hasRoom();
    },
    contentOf,
    add: (contents, position, change, signal) =>
      exclusively(async () => {
        const added = await store.add(contents, position, change, signal);
        const last = added[added.length - 1];
        if (last === undefined) return;
        const isNext = added[0]!.id === loadedTo;
        grow(last.id + last.count);
        if (!isNext || !hasRoom()) return;
        loadedTo = nextId;
        await admit(added);
      }),
    refill: () =>
      exclusively(async () => {
        while (loadedTo < nextId && hasRoom()) {
          const requests = store.load(loadedTo, CHUNK);
          const last = requests[requests.length - 1];
          loadedTo = last === undefined ? nextId : last.id + last.count;
          await admit(requests);
        }
      }),
    look() {
      const there = store.version();
      if (there === version) return;
      version = there;
      grow(store.nextId());
    },
    park: (request, due) =>
      exclusively(async () => {
        const own = new Set(request.accounts);
        const isParked = (account: string) => own.has(account) || scheduler.isParked(account);
        for (const other of scheduler.behind(request)) {
          const parts = partsOf(other, isParked);
          if (parts !== undefined) await replace(other, parts, dueOf(other));
          else drop(other);
        }
        drop(request);
        scheduler.park(request, due);
      }),
    cut: (request, contents) => exclusively(() => replace(request, contents, dueOf(request))),
    finish(request) {
      drop(request);
      scheduler.finish(request);
      events -= request.count;
    },
  };
}

/** Runs one piece of work after the other. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work, work);
    last = result;
    result.catch(() => {}); // whoever asked for it is told
    return result;
  };
}
