/**
 * Bringing a plan to the server: look up, write, delete, purge.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { PoisonError, TransientError } from "../../pipeline/errors.ts";
import type { Kind } from "../../transforms/elasticsearch/kinds.ts";
import type { Line } from "./body.ts";
import type { BulkSender } from "./bulk.ts";
import type { Turn } from "./hold_back.ts";
import { findCopies, findDeleted } from "./lookup.ts";
import type { Overtaking } from "./overtaking.ts";
import type { Plan } from "./plan.ts";
import { type PurgeOptions, purger } from "./purge.ts";
import type { ReadyTarget } from "./targets.ts";

/** What {@link planWriter} works with. */
export interface PlanWriterOptions extends PurgeOptions {
  readonly send: BulkSender;
  /** Whether new posts are compared with tombstones. */
  readonly checkTombstones: boolean;
  readonly overtaking: Overtaking;
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
  /** Answers what is wrong with items: `PoisonError` or `TransientError`. Rejects as {@link BulkSender} does. */
  write(plan: Plan, how: WriteHow): Promise<Map<number, PoisonError | TransientError>>;
}

/** Makes a writer. */
export function planWriter(options: PlanWriterOptions): PlanWriter {
  const { requests, send, overtaking, checkTombstones, onSuperseded } = options;
  const purge = purger(options);

  /** What is left to send of lines where something newer is known. */
  async function current(
    lines: readonly Line[],
    own: ReadonlyMap<string, string>,
    { items, targets, signal }: WriteHow,
  ): Promise<readonly Line[]> {
    const posts = checkTombstones
      ? lines.filter(({ write }) => write.kind === "posts" && write.action === "index")
      : [];
    const tombstones = targets.get("post_tombstones");
    const deleted = posts.length > 0 && tombstones && await findDeleted(posts, tombstones, requests, signal);
    if (!deleted && overtaking.isIdle) return lines;
    const left: Line[] = [];
    let superseded = 0;
    for (const line of lines) {
      const now = deleted && deleted.has(line) ? undefined : overtaking.current(line, items[line.item]!, own);
      if (now !== line) superseded++;
      if (now !== undefined) left.push(now);
    }
    if (superseded > 0) onSuperseded(superseded);
    return left;
  }

  return {
    async write(plan, how) {
      const { targets, turn, signal } = how;
      const refused = new Map<number, PoisonError | TransientError>(plan.dead);
      const sendAll = async (lines: readonly Line[]) => {
        for (const { line, error } of await send(lines, signal)) refused.set(line.item, error);
      };
      const [now, then, last] = phasesOf(plan, turn.held);
      const own = new Map(plan.purges.map(({ purge: { did, version } }) => [did, version]));
      await sendAll(await current(now, own, how));
      await turn.earlier();
      await sendAll(await current(then, own, how));
      const isDeletable = ({ write, item }: Line) => write.action === "delete" && !refused.has(item);
      await sendAll(await current(last.filter((line) => !isLate(line) || isDeletable(line)), own, how));
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
      if (overtaking.isIdle) return refused;
      for (const { write, item } of plan.lines) if (!refused.has(item)) overtaking.done(write);
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
