/**
 * Bringing a plan to the server: look up, write, delete, purge.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { PoisonError, TransientError } from "../../pipeline/errors.ts";
import type { Kind } from "../../transforms/elasticsearch/kinds.ts";
import type { Purge, Write } from "../../transforms/elasticsearch/writes.ts";
import type { Line } from "./body.ts";
import type { BulkSender } from "./bulk.ts";
import type { Turn } from "./hold_back.ts";
import { findCopies, findDeleted } from "./lookup.ts";
import { isOlder, type Plan } from "./plan.ts";
import { type PurgeOptions, purger } from "./purge.ts";
import type { ReadyTarget } from "./targets.ts";

/** What {@link planWriter} works with. */
export interface PlanWriterOptions extends PurgeOptions {
  readonly send: BulkSender;
  /** Whether new posts are compared with tombstones. */
  readonly checkTombstones: boolean;
  /** Told how many lines were left out because something newer is known. */
  readonly onSuperseded: (count: number) => void;
}

/** What belongs to a plan. */
export interface WriteHow {
  readonly items: readonly AnyEvent[];
  readonly targets: ReadonlyMap<Kind, ReadyTarget>;
  readonly turn: Turn;
  readonly signal: AbortSignal;
}

/** Writes plans. */
export interface PlanWriter {
  /** Says what is going to be written, as soon as that is known. */
  expect(plan: Plan): void;
  /** Answers what is wrong with items: `PoisonError` or `TransientError`. Rejects as {@link BulkSender} does. */
  write(plan: Plan, how: WriteHow): Promise<Map<number, PoisonError | TransientError>>;
}

/** Purges that are remembered: older ones have nothing on its way any more. */
const MOST_PURGES = 10_000;

/** Makes a writer; it remembers purges. */
export function planWriter(options: PlanWriterOptions): PlanWriter {
  const { requests, send, checkTombstones, onSuperseded } = options;
  const purge = purger(options);
  const purged = purgedAccounts();

  /** The lines that nothing newer is known for. */
  async function current(lines: readonly Line[], { items, targets, signal }: WriteHow): Promise<readonly Line[]> {
    const posts = checkTombstones
      ? lines.filter(({ write }) => write.kind === "posts" && write.action === "index")
      : [];
    const tombstones = targets.get("post_tombstones");
    const deleted = posts.length > 0 && tombstones && await findDeleted(posts, tombstones, requests, signal);
    const left = lines.filter((line) =>
      !(deleted && deleted.has(line)) && !purged.covers(items[line.item]!, line.write)
    );
    if (left.length < lines.length) onSuperseded(lines.length - left.length);
    return left;
  }

  return {
    expect(plan) {
      for (const each of plan.purges) purged.add(each.purge);
    },
    async write(plan, how) {
      const { targets, turn, signal } = how;
      const refused = new Map<number, PoisonError | TransientError>(plan.dead);
      const sendAll = async (lines: readonly Line[]) => {
        for (const { line, error } of await send(lines, signal)) refused.set(line.item, error);
      };
      const [now, then, last] = phasesOf(plan, turn.held);
      await sendAll(await current(now, how));
      await turn.earlier();
      await sendAll(await current(then, how));
      const isDeletable = ({ write, item }: Line) => write.action === "delete" && !refused.has(item);
      await sendAll(await current(last.filter((line) => !isLate(line) || isDeletable(line)), how));
      for (const [kind, target] of targets) {
        if (target.members.length < 2) continue;
        const done = plan.lines.filter((line) => line.write.kind === kind && isDeletable(line));
        await sendAll(await findCopies(done, target, requests, signal));
      }
      for (const { item, purge: each } of plan.purges) {
        await purge(each, signal).catch((error) => {
          if (!(error instanceof PoisonError || error instanceof TransientError)) throw error;
          refused.set(item, error);
        });
      }
      return refused;
    },
  };
}

/**
 * The lines in three parts that follow each other; the second is nearly always empty. As much as can goes with the first: each bulk is
 * made durable in every index that it touches, which is most of what a small one costs the server.
 */
function phasesOf({ lines }: Plan, held: ReadonlySet<Line>): [now: Line[], then: Line[], last: Line[]] {
  const now: Line[] = [], then: Line[] = [], last: Line[] = [];
  for (const line of lines) {
    if (isLate(line)) last.push(line);
    else if (!held.has(line)) now.push(line);
    else if (line.write.kind === "post_tombstones") then.push(line);
    else last.push(line);
  }
  return [now, then, last];
}

/** A post is deleted when its tombstone is there, not before. */
function isLate({ write }: Line): boolean {
  return write.action === "delete" && write.kind === "posts";
}

/**
 * Remembers which accounts were purged, because a batch that failed before a purge can be repeated after it: what it creates is not
 * written any more.
 */
function purgedAccounts() {
  const versions = new Map<string, string>();
  return {
    add({ did, version }: Purge): void {
      versions.delete(did);
      versions.set(did, version);
      if (versions.size > MOST_PURGES) versions.delete(versions.keys().next().value!);
    },
    covers(event: AnyEvent, { kind, action, version }: Write): boolean {
      if (
        versions.size === 0 || action === "delete" || kind === "post_tombstones" || event.kind === "label" ||
        event.kind === "repo"
      ) {
        return false;
      }
      const purgedAt = versions.get(event.did);
      return purgedAt !== undefined && isOlder(version, purgedAt);
    },
  };
}
