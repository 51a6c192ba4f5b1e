/**
 * Which request is sent next: in order for each account, and side by side otherwise. No clock, no I/O.
 *
 * @module
 */
import { heap } from "./heap.ts";
import type { Request } from "./requests.ts";

/** A request and what stands in its way. */
interface Entry {
  readonly request: Request;
  /** When it may be sent, in milliseconds since 1970. */
  due: number;
  /** Accounts of which an earlier request is not done. */
  blockedBy: number;
  /** It has failed: what comes later of its accounts waits for its next attempt. */
  parked: boolean;
  /** Its place among those that can be taken; undefined: it cannot, or is taken. */
  ticket: Ticket | undefined;
}

/** A place among those that can be taken; one that is not its entry's ticket any more is passed over. */
interface Ticket {
  readonly entry: Entry;
  readonly due: number;
}

/** See the module. */
export interface Scheduler {
  /** Requests that are not done, those that were taken included. */
  readonly size: number;
  /** Accounts of requests that wait for another attempt. */
  readonly parkedAccounts: number;
  /** Whether an event of this account would have to wait for another attempt of an earlier one. */
  isParked(account: string): boolean;
  /** Adds a request behind all others, to be sent at `due` or later. */
  add(request: Request, due: number): void;
  /** The request that has been due for the longest time; it is not given again before {@link Scheduler.park}. */
  take(now: number): Request | undefined;
  /** Of all that are due, the one that has failed the fewest times. */
  takeFreshest(now: number): Request | undefined;
  /** When the next request is due that nothing stands in the way of; undefined: there is none. */
  nextDue(): number | undefined;
  /** A request that was taken is to be tried again. */
  park(request: Request, due: number): void;
  /** A request that was taken is done: what comes later of its accounts may go. */
  finish(request: Request): void;
  /** Puts others, which have its accounts, in the place of a request, in this order. */
  replace(request: Request, parts: readonly Request[], due: number): void;
  /** Requests that share an account with this one and come later. */
  behind(request: Request): Request[];
  /** Those that are not done, in the order in which they came. */
  requests(): Iterable<Request>;
}

const failuresOf = ({ attempts, deferrals }: Request) => attempts + deferrals;

/** Has no request yet. */
export function createScheduler(): Scheduler {
  const entries = new Map<number, Entry>();
  /** The requests of each account, in order: the first one may go. */
  const lines = new Map<string, Entry[]>();
  /** How many requests of an account are parked: a half of one stands before the other. */
  const parked = new Map<string, number>();
  const tickets = heap<Ticket>((a, b) => a.due < b.due || (a.due === b.due && a.entry.request.id < b.entry.request.id));

  function offer(entry: Entry): void {
    entry.ticket = { entry, due: entry.due };
    tickets.push(entry.ticket);
  }

  function setParked(entry: Entry, isParked: boolean): void {
    if (entry.parked === isParked) return;
    entry.parked = isParked;
    for (const account of entry.request.accounts) {
      const count = (parked.get(account) ?? 0) + (isParked ? 1 : -1);
      if (count > 0) parked.set(account, count);
      else parked.delete(account);
    }
  }

  /** The next valid ticket. */
  function top(): Ticket | undefined {
    for (let ticket; (ticket = tickets.peek()); tickets.pop()) {
      if (ticket.entry.ticket === ticket) return ticket;
    }
    return undefined;
  }

  /** Puts entries into the line of an account, in the place of another one. */
  function exchange(account: string, entry: Entry, added: readonly Entry[]): void {
    const all = lines.get(account)!;
    all.splice(all.indexOf(entry), 1, ...added);
    for (const each of added) if (each !== all[0]) each.blockedBy++;
  }

  function entryOf(request: Request, due: number): Entry {
    const entry: Entry = { request, due, blockedBy: 0, parked: false, ticket: undefined };
    entries.set(request.id, entry);
    return entry;
  }

  /** Its accounts' lines are told. */
  function begin(entry: Entry): void {
    if (failuresOf(entry.request) > 0) setParked(entry, true);
    if (entry.blockedBy === 0) offer(entry);
  }

  function replace(request: Request, parts: readonly Request[], due: number): void {
    const entry = entries.get(request.id)!;
    setParked(entry, false);
    entry.ticket = undefined;
    entries.delete(request.id);
    const added = parts.map((part) => entryOf(part, due));
    for (const account of request.accounts) {
      exchange(account, entry, added.filter((part) => part.request.accounts.includes(account)));
    }
    added.forEach(begin);
  }

  function taken({ entry }: Ticket): Request {
    entry.ticket = undefined;
    return entry.request;
  }

  return {
    get size() {
      return entries.size;
    },
    get parkedAccounts() {
      return parked.size;
    },
    isParked: (account) => parked.has(account),
    add(request, due) {
      const entry = entryOf(request, due);
      for (const account of request.accounts) {
        const all = lines.get(account);
        if (all === undefined) lines.set(account, [entry]);
        else {
          all.push(entry);
          entry.blockedBy++;
        }
      }
      begin(entry);
    },
    take(now) {
      const ticket = top();
      return ticket === undefined || ticket.due > now ? undefined : taken(ticket);
    },
    takeFreshest(now) {
      let best: Ticket | undefined;
      for (const ticket of tickets) {
        if (ticket.entry.ticket !== ticket || ticket.due > now) continue;
        if (best === undefined || failuresOf(ticket.entry.request) < failuresOf(best.entry.request)) best = ticket;
      }
      return best && taken(best);
    },
    nextDue: () => top()?.due,
    park(request, due) {
      const entry = entries.get(request.id)!;
      entry.due = due;
      if (failuresOf(request) > 0) setParked(entry, true);
      offer(entry);
    },
    finish({ id, accounts }) {
      setParked(entries.get(id)!, false);
      entries.delete(id);
      for (const account of accounts) {
        const all = lines.get(account)!;
        all.shift();
        const [next] = all;
        if (next === undefined) lines.delete(account);
        else if (--next.blockedBy === 0) offer(next);
      }
    },
    replace,
    behind({ id, accounts }) {
      const found = new Set<Request>();
      for (const account of accounts) {
        const all = lines.get(account)!;
        const place = all.findIndex(({ request }) => request.id === id);
        for (const { request } of all.slice(place + 1)) found.add(request);
      }
      return [...found];
    },
    requests: () => entries.values().map(({ request }) => request),
  };
}
