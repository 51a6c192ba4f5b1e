/**
 * What earlier runs left: their lock, their position, dead letters and gaps.
 *
 * @module
 */
import { parsePosition, type Position } from "../../lib/sources/jetstream/position.ts";
import type { Plan } from "../../lib/sources/jetstream/options.ts";
import { MICROSECONDS_FROM } from "../../lib/sources/jetstream/url.ts";
import { listDeadLetter } from "../../lib/state/dead_letter_reader.ts";
import { fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { fileError } from "../../lib/state/files.ts";
import { listGaps } from "../../lib/state/gaps.ts";
import type { LockHolder } from "../../lib/state/lock.ts";
import { sizeOf } from "../../lib/state/sqlite_file.ts";
import { positionStore } from "../ingest/positions.ts";
import type { Target } from "../ingest/target.ts";
import type { Values } from "../kit/declaration.ts";
import type { redisConnectionOptions } from "../options/redis.ts";
import { type Finding, ok, skip, warn } from "./check.ts";
import type { Host } from "./hosts.ts";

/** Servers that do not tell keep at least this, in hours. */
const USUAL_WINDOW_HOURS = 24;
const HOUR_US = 3600e6;

/** Whether another run holds a lock; none is taken, nor made. */
export async function checkLocks({ locks, sink, stream }: Target): Promise<Finding> {
  if (locks.length === 0) return skip(stream === undefined ? `--sink ${sink} needs none` : "it is in Redis");
  const findings = await Promise.all(locks.map(checkLock));
  return findings.find(({ verdict }) => verdict !== "ok") ?? findings[0]!;
}

async function checkLock(lock: string): Promise<Finding> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(lock);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ok("nobody holds it");
    throw fileError("read", lock, error);
  }
  using opened = file;
  if (await opened.tryLock(false)) return ok("nobody holds it");
  const hint = "Wait for its end, or use another --state-key";
  try {
    const { pid, host, command, started_at } = JSON.parse(await Deno.readTextFile(lock)) as LockHolder;
    return warn(`${command} (pid ${pid} on ${host}) holds ${lock} since ${started_at}`, hint);
  } catch {
    return warn(`another process holds ${lock}`, hint); // and has not yet written who it is
  }
}

/** The run that is looked at. */
export interface PositionCheck {
  readonly target: Target;
  readonly plan: Plan;
  readonly race: boolean;
  readonly hosts: readonly Host[];
  readonly values: Values<typeof redisConnectionOptions>;
}

/** Whether the positions can be read, and the servers still have what follows them. */
export async function checkPosition({ target, plan, race, hosts, values }: PositionCheck): Promise<Finding> {
  const keeps = target.position !== undefined || target.stream !== undefined;
  const saved = keeps ? await savedPositions(target, race, values) : [];
  const { begin, maxRewindUs } = plan;
  if (begin !== undefined && begin >= MICROSECONDS_FROM) return await reached(begin, hosts[0]!);
  if (begin !== undefined) return ok(`begins at ${begin === 0 ? "the oldest event" : `sequence number ${begin}`}`);
  if (!keeps) return skip(`--sink ${target.sink} keeps none: every run starts afresh`);
  if (saved.length === 0) return ok("none is saved: begins live");
  if (plan.noRewind) return ok("not used: begins live");
  const earliest = maxRewindUs > 0 ? Date.now() * 1000 - maxRewindUs : 0;
  const findings = await Promise.all(saved.map(({ host, time_us }) => {
    const reader = hosts.find(({ endpoint }) => endpoint.host === host) ?? hosts[0]!;
    return reached(Math.max(time_us, earliest), reader);
  }));
  return findings.find(({ verdict }) => verdict === "warn") ?? findings[0]!;
}

/** The position of the run; of a race that of each host. @throws {ConfigError} where one cannot be read. */
async function savedPositions(
  target: Target,
  race: boolean,
  values: PositionCheck["values"],
): Promise<Position[]> {
  const { position, key } = target;
  await using store = positionStore(target, values);
  const rows = race && position && "file" in position
    ? await fileCheckpoints(position.file, { format: "cursors", key }).list()
    : await store.list();
  const ours = rows.filter((row) => race ? row.key.startsWith(`${key}:`) : row.key === key);
  return ours.map(({ cursor }) => parsePosition(cursor));
}

/** What is lost by beginning at `from` (microseconds since 1970) on this host. */
async function reached(from: number, { endpoint, oldest }: Host): Promise<Finding> {
  const place = new Date(from / 1000).toISOString();
  const hours = (Date.now() * 1000 - from) / HOUR_US;
  const first = await oldest;
  const hint = "The run records the gap; Jetstream's archive may have the events";
  if (first !== undefined && first > from) {
    const until = new Date(first / 1000).toISOString();
    const lost = ((first - from) / HOUR_US).toFixed(1);
    return warn(`${endpoint.host} no longer has the events from ${place} to ${until} (${lost} h)`, hint);
  }
  if (first === undefined && hours > USUAL_WINDOW_HOURS) {
    return warn(`${place} is ${hours.toFixed(1)} h old: servers keep ${USUAL_WINDOW_HOURS} to 36 h`, hint);
  }
  return ok(`begins at ${place}, ${hours.toFixed(1)} h ago`);
}

/** How many events could not be written. */
export async function checkDeadLetter({ deadLetter }: Target, mostBytes: number): Promise<Finding> {
  const size = sizeOf(deadLetter);
  if (size === undefined) return ok("none");
  let entries = 0, unreadable = 0;
  const onUnreadable = (lines: number) => void (unreadable = lines);
  for await (const _ of listDeadLetter(deadLetter, { onUnreadable })) entries++;
  const hint = `bskyingest dead-letter list --dead-letter ${deadLetter}`;
  if (size >= mostBytes) return warn(`${deadLetter} is full: a run would stop reading`, hint);
  if (entries > 0) return warn(`${entries} open entries`, hint);
  return unreadable > 0 ? warn(`${unreadable} lines cannot be read`, hint) : ok("no open entries");
}

/** How many holes are open that runs of this state key met. @param keys Of the positions, where the state key is not in them. */
export function checkGaps({ sink, position, gaps, key }: Target, keys: readonly string[]): Finding {
  const file = sink === "sqlite" && position !== undefined && "db" in position ? position.db : gaps;
  const isOurs = (each: string) => each === key || each.startsWith(`${key}:`) || keys.includes(each); // K:HOST: a race
  const open = listGaps(file).filter((row) => isOurs(row.key)).length;
  if (open === 0) return ok("no open ones");
  return warn(`${open} open`, `bskyingest gaps list${file === gaps ? "" : ` --db ${file}`}`);
}
