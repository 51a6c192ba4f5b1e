/**
 * What a consumer does every so often, whether or not events are asked of it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { RedisLink } from "../../net/redis/link.ts";
import { messageOf } from "../../pipeline/errors.ts";
import { byStream, type Deliveries } from "./deliveries.ts";
import type { GroupStream } from "./group.ts";
import { KEEP, TRIM } from "./scripts.ts";

const log = getLogger(["bskyingest", "consume"]);

/** What {@link upkeep} works with. */
export interface UpkeepOptions {
  readonly link: RedisLink;
  readonly streams: readonly GroupStream[];
  readonly group: string;
  readonly consumer: string;
  readonly deliveries: Deliveries;
  /** After so long without a sign of life an entry is taken from its consumer, in milliseconds. */
  readonly claimIdleMs: number;
  /** How often streams are trimmed, in milliseconds; undefined: never. */
  readonly trimMs: number | undefined;
}

/** Keeps entries that take long from being taken away, and streams short, until it is disposed of. */
export function upkeep(options: UpkeepOptions): AsyncDisposable {
  const { claimIdleMs, trimMs } = options;
  const jobs = [every(claimIdleMs / 3, () => keepAlive(options))];
  const warned = new Set<string>();
  if (trimMs !== undefined) jobs.push(every(trimMs, () => trim(options, warned)));
  return {
    async [Symbol.asyncDispose]() {
      for (const job of jobs) await job[Symbol.asyncDispose]();
    },
  };
}

async function keepAlive({ link, group, consumer, deliveries, claimIdleMs }: UpkeepOptions): Promise<void> {
  for (const [stream, ids] of byStream(deliveries.olderThan(claimIdleMs / 3), 500)) {
    await link.script(KEEP, [stream], [group, consumer, ...ids.flatMap((id) => [id, ""])]);
  }
}

/** A group that nobody reads holds everything back: that is said once. */
async function trim({ link, streams, group }: UpkeepOptions, warned: Set<string>): Promise<void> {
  for (const { name } of streams) {
    const [, slowest, consumers] = await link.script(TRIM, [name], []);
    if (slowest === undefined || slowest === group || consumers > 0 || warned.has(slowest)) continue;
    warned.add(slowest);
    log.warn("Stream {name} cannot be trimmed: group {slowest} has no consumers", { name, slowest });
  }
}

/** Runs `work` every `ms` milliseconds, one at a time; what it throws is only noted, for the next time may go better. */
function every(ms: number, work: () => Promise<void>): AsyncDisposable {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= work()
      .catch((error) => log.debug("Cannot keep up the group: {error}", { error: messageOf(error) }))
      .finally(() => running = undefined);
  }, ms);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
