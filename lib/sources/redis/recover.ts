/**
 * Entries that were delivered before and not acknowledged: this consumer's own, from a run that ended, and those of consumers that are
 * gone.
 *
 * @module
 */
import type { RedisLink } from "../../net/redis/link.ts";
import type { Deliveries } from "./deliveries.ts";
import { patiently } from "./patience.ts";
import { KEEP } from "./scripts.ts";

/** Ids that one command asks for. */
const PAGE = 500;

/** An entry as Redis answers it; without fields, it was deleted. */
export type Entry = readonly [id: string, fields?: readonly string[] | null];

/** What {@link recoverable} and {@link claimIdle} work with. */
export interface RecoverOptions {
  readonly link: RedisLink;
  readonly stream: string;
  readonly group: string;
  readonly consumer: string;
  readonly deliveries: Deliveries;
  readonly maxDeliveries: number;
  /** Whether this delivery counts. Where entries were lost on their way it does not: they have harmed nobody. */
  readonly counts: boolean;
  /** Aborting gives up waiting for a server that is away. */
  readonly signal: AbortSignal;
}

/** Entries to deliver once more. */
export interface Recovered {
  readonly entries: readonly Entry[];
  /** They were delivered so often that they must be acknowledged before anything else is delivered. */
  readonly alone: boolean;
  /** Ids that were delivered as often as they may be. */
  readonly dead: readonly string[];
}

/**
 * What this consumer has and does not work on, in the order of the stream. An entry that ends the process takes along what is delivered
 * with it, so the groups become smaller as the attempts become fewer: before its last one an entry is alone, and the others live.
 */
export async function* recoverable(options: RecoverOptions): AsyncGenerator<Recovered, void> {
  const { link, stream, group, consumer, deliveries, maxDeliveries, counts, signal } = options;
  type Row = [id: string, consumer: string, idle: number, deliveries: number];
  for (let start = "-";;) {
    const args = ["XPENDING", stream, group, start, "+", String(PAGE), consumer];
    const page: Row[] = await patiently(() => link.send(stream, args, { signal }), signal);
    const waiting = page.filter(([id]) => !deliveries.has(stream, id));
    const isDead = ([, , , times]: Row) => times + Number(counts) > maxDeliveries;
    const dead = waiting.filter(isDead).map(([id]) => id);
    if (dead.length > 0) yield { entries: [], alone: false, dead };
    const rest = waiting.filter((row) => !isDead(row));
    while (rest.length > 0) {
      const most = groupSize(maxDeliveries - rest[0]![3]);
      const alike = rest.findIndex(([, , , times]) => groupSize(maxDeliveries - times) !== most);
      const together = rest.splice(0, Math.min(most, alike < 0 ? rest.length : alike));
      const numbers = together.flatMap(([id, , , times]) => [id, String(times + Number(counts))]);
      const keep = () => link.script(KEEP, [stream], [group, consumer, ...numbers], { signal });
      const entries = await patiently(keep, signal);
      yield { entries, alone: most < PAGE, dead: [] };
    }
    if (page.length < PAGE) return;
    start = `(${page.at(-1)![0]}`;
  }
}

/** How many entries go together that may be delivered so many times more. */
function groupSize(left: number): number {
  return left <= 1 ? 1 : left === 2 ? 25 : left === 3 ? 250 : PAGE;
}

/** Takes over what consumers left that have not been heard of for so long. Answers how many entries that was. */
export async function claimIdle(options: Omit<RecoverOptions, "counts">, idleMs: number): Promise<number> {
  const { link, stream, group, consumer, signal } = options;
  let claimed = 0;
  for (let start = "0-0";;) {
    // Without their bodies they do not count as delivered: that comes next.
    const args = ["XAUTOCLAIM", stream, group, consumer, String(idleMs), start, "COUNT", String(PAGE), "JUSTID"];
    const [next, ids] = await patiently(() => link.send(stream, args, { signal }), signal);
    claimed += ids.length;
    if (next === "0-0") return claimed;
    start = next;
  }
}
