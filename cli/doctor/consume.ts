/**
 * What a run of `consume` depends on.
 *
 * @module
 */
import { type RedisLink, redisLink } from "../../lib/net/redis/link.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { readQueue } from "../../lib/sinks/queue/open.ts";
import { mostMissed } from "../../lib/sinks/redis/pressure.ts";
import { findStreams } from "../../lib/sources/redis/group.ts";
import type { RedisSourceOptions } from "../../lib/sources/redis/options.ts";
import { checkConsume } from "../ingest/consume.ts";
import { queueToRead } from "../ingest/consume_queue.ts";
import { consumeOf } from "../ingest/redis.ts";
import { CONSUME_QUEUE_STATE, CONSUME_STATE } from "../ingest/target.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import type { fromQueueOptions } from "../options/queue.ts";
import type { consumeOptions } from "../options/redis.ts";
import { type Finding, ok, runChecks, warn } from "./check.ts";
import { examineRun, type Run, targetOf } from "./run.ts";
import type { Settings } from "./settings.ts";
import { tryToOpen } from "./sink.ts";

/** The options of `consume`, but for those of every run. */
type OwnOptions = typeof consumeOptions & typeof fromQueueOptions;

/** Checks what a run with these settings would use. */
export const examineConsume = examineRun<OwnOptions>(prepare);

// deno-lint-ignore require-await -- faults of the options must come by the promise
async function prepare(settings: Settings<OwnOptions & IngestOptions>): Promise<Run> {
  const { values } = settings;
  if (values.fromQueue !== undefined) return prepareQueue(settings);
  const target = targetOf(settings, CONSUME_STATE);
  checkConsume(settings, target);
  const options = consumeOf(values, "");
  return {
    target,
    net: [],
    source: () =>
      runChecks(
        values.fromStream.map((stream) => ({
          name: `stream ${stream}`,
          run: (signal) => checkStream(stream, options, signal),
        })),
      ),
  };
}

function prepareQueue(settings: Settings<OwnOptions & IngestOptions>): Run {
  const { values } = settings;
  const target = targetOf(settings, CONSUME_QUEUE_STATE);
  const file = queueToRead(values, target);
  return {
    target,
    net: [],
    inputs: [file],
    source: () => runChecks([{ name: `queue ${values.fromQueue}`, run: () => checkQueue(file) }]),
  };
}

/** Looks at a queue as a consumer would, and takes nothing. */
async function checkQueue(file: string): Promise<Finding> {
  const count = "SELECT count(*) AS rows FROM queue WHERE status = 'pending'";
  const { rows } = await readQueue(file, (db) => db.prepare(count).get()!);
  (await tryToOpen(file)).close();
  return ok(`${file}: ${rows} rows are pending`);
}

/** Looks at a stream, or at all its partitions, as a consumer would, and changes nothing. */
async function checkStream(stream: string, options: RedisSourceOptions, signal: AbortSignal): Promise<Finding> {
  const { connection, group = "", afterAck } = options;
  await using link = redisLink(connection);
  const names = await existing(link, (await findStreams(link, stream, options)).map(({ name }) => name), signal);
  const place = `${stream} at ${link.describe}`;
  if (names.length === 0) return warn(`there is no stream ${place} yet: the run would make it, and wait`);
  let length = 0;
  const groups = new Set<string>();
  for (const name of names) {
    length += await link.send(name, ["XLEN", name], { signal });
    const found: string[][] = await link.send(name, ["XINFO", "GROUPS", name], { signal });
    for (const [, each] of found) groups.add(each!);
    // It acknowledges nothing, and yet whoever may not acknowledge is told so.
    await link.send(name, ["XACK", name, group, "0-0"], { signal });
  }
  const others = [...groups].filter((each) => each !== group);
  if (afterAck === "delete" && others.length > 0) {
    throw new ConfigError(`Cannot use --after-ack delete: group ${others[0]} reads ${stream}, too`);
  }
  const missed = await mostMissed(link, names, signal);
  const detail = `${place}: ${length} entries, group ${group} ${groups.has(group) ? "is there" : "will be made"}`;
  return missed > 0 ? warn(`${detail}; a group has missed ${missed} entries: they were removed`) : ok(detail);
}

/** Those of the keys that are there. @throws {ConfigError} Where one is no stream. */
async function existing(link: RedisLink, names: readonly string[], signal: AbortSignal): Promise<string[]> {
  const there: string[] = [];
  for (const name of names) {
    const type: string = await link.send(name, ["TYPE", name], { signal });
    if (type === "none") continue;
    if (type !== "stream") throw new ConfigError(`Cannot read stream ${name}: the key holds a ${type}`);
    there.push(name);
  }
  return there;
}
