/**
 * `dead-letter ... --stream`: entries of Redis streams that consumers gave up on.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type DeadStream, type DeadStreamEntry, redisDeadStream } from "../../lib/sources/redis.ts";
import type { DeadLetterEntry } from "../../lib/state/dead_letter_reader.ts";
import { partitionOf, subjectOf } from "../../lib/transforms/stream_events.ts";
import { lineOf, wholeText } from "../dead_letter_text.ts";
import type { CommandContext } from "../kit/command.ts";
import type { Values } from "../kit/declaration.ts";
import type { deadStreamOptions, entryOptions } from "../options/dead_letter.ts";
import type { redisConnectionOptions } from "../options/redis.ts";
import { redisConnectionOf } from "./redis.ts";

/** What `dead-letter show` calls the place where they died. */
const STAGE = "consume";

/** Which dead stream; `stream` is given. */
type Place = Values<typeof redisConnectionOptions & Pick<typeof deadStreamOptions, "deadStream">> & {
  readonly stream: string;
};

/** Which of its entries. */
type Choice = Place & Values<typeof entryOptions>;

/** So many characters of an entry are in a list. */
const SHOWN = 200;

type Printing = Pick<CommandContext, "globals" | "stdout" | "stderr">;

/** Prints entries, oldest first. */
export async function listDeadStream(
  { globals, stdout, stderr }: Printing,
  choice: Choice,
  limit: number,
): Promise<void> {
  await using stream = open(choice);
  let shown = 0;
  for await (const entry of chosen(stream, choice)) {
    if (shown++ === limit) break;
    await stdout(globals.json ? JSON.stringify(jsonOf(entry)) : lineOf(letterOf(entry, choice.stream), "open"));
  }
  if (shown === 0) stderr("No dead letters");
}

/**
 * Prints whole entries, or of each only the values of its own fields.
 *
 * @throws {ConfigError} For an id that is not there.
 */
export async function showDeadStream(
  { globals, stdout }: Pick<Printing, "globals" | "stdout">,
  place: Place,
  { ids, raw }: { readonly ids: readonly string[]; readonly raw: boolean },
): Promise<void> {
  await using stream = open(place);
  const found = new Map<string, DeadStreamEntry>();
  for await (const entry of stream.entries({ ids })) found.set(entry.id, entry);
  for (const id of ids) {
    const entry = found.get(id);
    if (entry === undefined) throw new ConfigError(`Cannot show "${id}": ${await stream.describe()} has no such entry`);
    if (raw) { for (const [, value] of ownFields(entry)) await stdout(value); }
    else await stdout(globals.json ? JSON.stringify(jsonOf(entry)) : textOf(entry));
  }
}

/** Puts entries back into the stream that they were read from. Answers the exit status. */
export async function retryDeadStream(
  { globals, stdout, stderr }: Printing,
  choice: Choice & { readonly ids: readonly string[]; readonly dryRun: boolean },
): Promise<number> {
  await using stream = open(choice);
  const missing = new Set(choice.ids);
  let count = 0;
  for await (const entry of chosen(stream, choice, choice.ids.length > 0 ? { ids: choice.ids } : {})) {
    missing.delete(entry.id);
    if (!choice.dryRun) await stream.putBack(entry);
    count++;
  }
  const place = await stream.describe();
  if (missing.size > 0) throw new ConfigError(`Cannot retry "${[...missing][0]}": ${place} has no such entry`);
  if (globals.json) {
    await stdout(JSON.stringify({ stream: choice.stream, [choice.dryRun ? "would_retry" : "retried"]: count }));
  } else stderr(`${choice.dryRun ? "Would put" : "Put"} ${count} entries of ${place} back into ${choice.stream}`);
  return 0;
}

/**
 * Removes entries.
 *
 * @throws {ConfigError} Where nothing says which.
 */
export async function purgeDeadStream(
  { stderr }: Printing,
  choice: Choice & { readonly before: number | undefined; readonly retried: boolean; readonly all: boolean },
): Promise<void> {
  const { reason, stage, since, before, retried, all } = choice;
  if (retried) throw new ConfigError("Cannot use --retried with --stream: entries that are put back do not stay");
  if (!all && [reason, stage, since, before].every((each) => each === undefined)) {
    throw new ConfigError("Cannot purge: say which entries, or --all");
  }
  await using stream = open(choice);
  const ids: string[] = [];
  for await (const { id } of chosen(stream, choice, { before })) ids.push(id);
  await stream.remove(ids);
  stderr(`Removed ${ids.length} entries of ${await stream.describe()}`);
}

function open(values: Place): DeadStream {
  return redisDeadStream({
    connection: redisConnectionOf(values),
    stream: values.stream,
    deadStream: values.deadStream,
    partitionOf: (event, partitions) => partitionOf(subjectOf(event), partitions),
  });
}

async function* chosen(
  stream: DeadStream,
  { reason, since, stage }: Choice,
  more: { readonly ids?: readonly string[]; readonly before?: number | undefined } = {},
): AsyncGenerator<DeadStreamEntry, void> {
  if (stage === undefined || stage === STAGE) yield* stream.entries({ reason, since, ...more });
}

/** As an entry of a file would be. */
function letterOf(
  { id, at, reason, attempts, consumer, fields: [, value = ""] }: DeadStreamEntry,
  stream: string,
): DeadLetterEntry {
  const error = `${attempts} deliveries, the last one to ${consumer}: ${JSON.stringify(value.slice(0, SHOWN))}`;
  return { id, at: new Date(at).toISOString(), command: STAGE, key: stream, stage: STAGE, reason, error };
}

function jsonOf(entry: DeadStreamEntry): Record<string, unknown> {
  return { ...aboutOf(entry), fields: Object.fromEntries(ownFields(entry)), state: "open" };
}

/** Its own fields as they read, behind what is known of its death. */
function textOf(entry: DeadStreamEntry): string {
  const own = ownFields(entry).map(([name, value]) => [`field ${name}`, value]);
  return wholeText({ ...aboutOf(entry), ...Object.fromEntries(own) });
}

function aboutOf({ id, at, reason, attempts, entry, consumer }: DeadStreamEntry): Record<string, unknown> {
  return { id, at: new Date(at).toISOString(), stage: STAGE, reason, attempts, entry, consumer };
}

function ownFields({ fields }: DeadStreamEntry): [name: string, value: string][] {
  return Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]!, fields[2 * i + 1]!]);
}
