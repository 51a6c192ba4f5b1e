/**
 * Redis streams as what a run reads, as one consumer of a group.
 *
 * @module
 */
import { dirname } from "node:path";
import { parseRedisUrl } from "../../lib/net/redis/address.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import {
  type ConsumeFigures,
  type ConsumeLag,
  type RedisPreview,
  redisPreview,
  type RedisSource,
  redisSource,
} from "../../lib/sources/redis.ts";
import { SINK_NAMES, SINKS } from "../../lib/sinks/registry.ts";
import type { CommandContext } from "../kit/command.ts";
import { spanText } from "../kit/units.ts";
import type { fromQueueOptions } from "../options/queue.ts";
import type { consumeOptions } from "../options/redis.ts";
import type { ReportPart } from "../report.ts";
import { holdConsumerName } from "./consumer_name.ts";
import type { Delivery, Reading } from "./reading.ts";
import { consumeOf } from "./redis.ts";
import type { Target } from "./target.ts";
import type { IngestOptions } from "./transfer.ts";

/** How long the end of a run waits to learn how far the group is behind, in milliseconds. */
const LAG_MS = 2000;

/** The options of `consume`. */
export type ConsumeContext = CommandContext<typeof consumeOptions & typeof fromQueueOptions & IngestOptions>;

/**
 * Checks what is read beside where it goes.
 *
 * @throws {ConfigError} For options of queues, a stream that would be read and written, and a sink that needs events for `--raw`.
 */
export function checkConsume({ values, origins }: Pick<ConsumeContext, "values" | "origins">, target: Target): void {
  for (const option of ["once", "lease", "maxAttempts"] as const) {
    const { source, name } = origins[option];
    if (source === "flag") {
      throw new ConfigError(`Cannot use ${name} without --from-queue: it is about the rows of a queue`);
    }
  }
  if (values.raw && !SINKS[target.sink].takesAnything) {
    const others = SINK_NAMES.filter((name) => SINKS[name].takesAnything);
    throw new ConfigError(`Cannot use --raw with --sink ${target.sink}: it needs to know what is in an entry`, {
      hint: `Use one of ${others.join(", ")}`,
    });
  }
  if (target.stream === undefined || !values.fromStream.includes(target.stream)) return;
  if (parseRedisUrl(values.fromRedisUrl ?? values.redisUrl).describe === parseRedisUrl(values.redisUrl).describe) {
    throw new ConfigError(`Cannot use --stream ${target.stream}: it is the one that is read`);
  }
}

/**
 * Prepares to read. What is opened is closed with `resources`.
 *
 * @throws {ConfigError} For options that cannot be, a stream that would be read and written, and a sink that needs events for `--raw`.
 */
export async function consumeReading(
  context: ConsumeContext,
  target: Target,
  resources: AsyncDisposableStack,
): Promise<Reading> {
  checkConsume(context, target);
  const { values } = context;
  const { connection, ...options } = consumeOf(values, "");
  const { describe } = parseRedisUrl(connection.url);
  const name = `${describe} ${values.fromStream.join(",")}`;
  if (values.dryRun) return previewOf(resources.use(redisPreview({ connection, ...options })), name, values.group);
  const held = values.consumer === undefined
    ? resources.use(await holdConsumerName(dirname(target.gaps), values.group))
    : undefined;
  const consumer = values.consumer ?? held!.name;
  return readingOf(resources.use(redisSource({ connection, ...options, consumer })), {
    name,
    where: `group ${values.group} as ${consumer}`,
    listedBy: values.fromStream.map((stream) => `--stream ${stream}`).join(" or "),
  });
}

function previewOf(source: RedisPreview, name: string, group: string): Reading {
  return {
    name,
    async run(delivery: Delivery) {
      delivery.announce(`what group ${group} was not given yet`);
      return (await delivery.pipe(source)).endedBy;
    },
  };
}

interface Words {
  readonly name: string;
  readonly where: string;
  readonly listedBy: string;
}

function readingOf(source: RedisSource, { name, where, listedBy }: Words): Reading {
  let lag: readonly ConsumeLag[] = [];
  return {
    name,
    acknowledges: true,
    deadLetters: { instead: (others) => source.deadLetter(others), listedBy },
    async run(delivery: Delivery) {
      delivery.announce(where);
      try {
        return (await delivery.pipe(source)).endedBy;
      } finally {
        lag = await source.lag({ signal: AbortSignal.timeout(LAG_MS) }).catch(() => []);
      }
    },
    report: () => partOf(source.figures(), lag),
  };
}

/** The part of the summary that is about entries. */
function partOf(figures: ConsumeFigures, lags: readonly ConsumeLag[]): ReportPart {
  const n = (value: number) => value.toLocaleString("en-US");
  const { read, redelivered, acknowledged, dead, deleted } = figures;
  const others = Object.entries({ redelivered, dead, deleted }).filter(([, count]) => count > 0);
  return {
    members: { consume: { ...figures, lag: lags.map(lagMembers) } },
    lines: [
      [
        `entries read ${n(read)}, acknowledged ${n(acknowledged)}`,
        ...others.map(([what, count]) => `${what} ${n(count)}`),
      ]
        .join(", "),
      ...lags.map(({ stream, entries, seconds, pending }) =>
        `${stream}: ${entries === undefined ? "" : `${n(entries)} entries, `}${
          spanText(seconds * 1000)
        } behind, pending ${n(pending)}`
      ),
    ],
    failed: false,
  };
}

function lagMembers({ stream, entries, seconds, pending, oldestPendingSeconds }: ConsumeLag): Record<string, unknown> {
  return { stream, entries: entries ?? null, seconds, pending, oldest_pending_seconds: oldestPendingSeconds };
}
