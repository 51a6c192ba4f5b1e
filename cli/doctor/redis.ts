/**
 * Whether Redis would take entries: reach, credentials, version, permissions, the stream, its groups.
 *
 * @module
 */
import { lookAtRedis } from "../../lib/sinks/redis.ts";
import { redisConnectionOf } from "../ingest/redis.ts";
import type { Values } from "../kit/declaration.ts";
import type { redisOptions } from "../options/redis.ts";
import { type Finding, ok, warn } from "./check.ts";

/** Looks at the server and the stream that a run would write to, and writes nothing. */
export async function checkRedis(
  stream: string,
  values: Values<typeof redisOptions>,
  signal: AbortSignal,
): Promise<Finding> {
  const found = await lookAtRedis(redisConnectionOf(values), stream, values.partitions, signal);
  const { describe, version = "of unknown version", length, groups, missed, dangers } = found;
  const detail = `${describe} on Redis ${version}, ${length} entries, ${groups} groups, permissions suffice`;
  const worries = [
    ...dangers,
    ...missed > 0 ? [`a group has missed ${missed} entries: they were removed`] : [],
    ...values.redisSkipTlsVerify ? ["certificates are not verified"] : [],
  ];
  return worries.length === 0 ? ok(detail) : warn([detail, ...worries].join("; "));
}
