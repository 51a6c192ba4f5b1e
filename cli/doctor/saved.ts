/**
 * The positions that an earlier run has left.
 *
 * @module
 */
import { hostOfKey } from "../../lib/net/redis/stream_keys.ts";
import type { Cursor } from "../../lib/pipeline/batch.ts";
import { fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { positionStore } from "../ingest/positions.ts";
import type { Target } from "../ingest/target.ts";
import type { Values } from "../kit/declaration.ts";
import type { redisConnectionOptions } from "../options/redis.ts";
import type { Finding } from "./check.ts";

/** The position of each key; undefined: there is none. @throws {ConfigError} where the store cannot be read. */
export async function savedPositions(
  target: Target,
  values: Values<typeof redisConnectionOptions>,
  keys: readonly string[],
): Promise<(Cursor | undefined)[]> {
  const { position, stream } = target;
  if (position === undefined && stream === undefined) return keys.map(() => undefined);
  await using store = positionStore(target, values);
  const rows = position !== undefined && "file" in position
    ? await fileCheckpoints(position.file, position).list()
    : await store.list();
  // In Redis only the host is in the name.
  return keys.map((key) => rows.find((row) => row.key === key || row.key === hostOfKey(key))?.cursor);
}

const VERDICTS = ["fail", "warn", "ok", "skip"] as const;

/** One finding of those of several hosts: the worst one, with what was found of the others. */
export function together(findings: readonly Finding[]): Finding {
  const worst = findings.toSorted((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict))[0]!;
  return { ...worst, detail: [...new Set(findings.map(({ detail }) => detail))].join("; ") };
}
