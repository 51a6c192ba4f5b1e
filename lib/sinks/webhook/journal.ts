/**
 * What has become of requests and is not written down yet.
 *
 * @module
 */
import type { Request } from "./requests.ts";
import type { Change } from "./store.ts";

/** See the module. */
export interface Journal {
  /** Events of requests that are done. */
  readonly doneEvents: number;
  /** A request is delivered, or in the dead letter. */
  done(request: Request): void;
  /** A request is to be tried again. */
  failed(request: Request): void;
  /** A request has parts in its place, which are written down already. */
  replaced(request: Request): void;
  /** Whether how a request has fared is not written down. */
  has(request: Request): boolean;
  /** Hands everything to `work`. If that fails, it is kept for the next time. Does nothing where there is nothing, unless `always`. */
  writing<T>(work: (change: Change) => Promise<T>, always: true): Promise<T>;
  writing<T>(work: (change: Change) => Promise<T>, always?: boolean): Promise<T | undefined>;
}

/** Has nothing yet. `endpoint`: its state now, and as it is in the file. */
export function createJournal(endpoint: () => string, saved: string): Journal {
  let gone: number[] = [];
  let doneEvents = 0;
  let failed = new Set<Request>();

  function takeAll(): Required<Change> {
    const state = endpoint();
    const change = { gone, failed: [...failed], endpoint: state === saved ? undefined : state };
    [gone, doneEvents, failed] = [[], 0, new Set()];
    return change;
  }

  async function writing<T>(work: (change: Change) => Promise<T>, always = false): Promise<T | undefined> {
    if (!always && gone.length + failed.size === 0 && endpoint() === saved) return undefined;
    const change = takeAll();
    try {
      const result = await work(change);
      saved = change.endpoint ?? saved;
      return result;
    } catch (error) {
      gone.push(...change.gone);
      for (const request of change.failed) failed.add(request);
      throw error;
    }
  }

  return {
    get doneEvents() {
      return doneEvents;
    },
    done(request) {
      failed.delete(request);
      gone.push(request.id);
      doneEvents += request.count;
    },
    failed: (request) => void failed.add(request),
    replaced: (request) => void failed.delete(request),
    has: (request) => failed.has(request),
    writing: writing as Journal["writing"],
  };
}
