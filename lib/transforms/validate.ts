/**
 * Checks records against the lexicons of their collections: those of `app.bsky.*` and `chat.bsky.*` are built in, others come
 * from a folder. The lexicons and the library that knows them are loaded when a validator is made, not before.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type AnyEvent, atUri, type CommitEvent } from "../atproto/event.ts";
import { PoisonError } from "../pipeline/errors.ts";

const log = getLogger(["bskyingest", "validate"]);

/** After the first invalid record of a collection, the others are told of once in this time. */
const WARN_EVERY_MS = 60_000;
/** Keys of records may be of any length, a line of the log may not. */
const LONGEST_URI = 300;

/** Options of {@link createValidator}. */
export interface ValidatorOptions {
  /** A folder of lexicon documents: every `.json` below it. They win over built-in ones of the same NSID. */
  readonly lexicons?: string | undefined;
}

/** Tells what is wrong with records, and counts it. */
export interface Validator {
  /**
   * What is wrong with the record that an event creates or updates, on one line; `undefined`: nothing, or there is no record,
   * or no lexicon for its collection. The record's key is not looked at, as servers accept others than the lexicon names.
   */
  check(event: AnyEvent): string | undefined;
  /** How many invalid records there were. */
  readonly invalid: number;
  /** The same by collection; only collections that have a lexicon are in it. */
  readonly invalidByCollection: ReadonlyMap<string, number>;
}

/**
 * Loads the lexicons.
 *
 * @throws {ConfigError} The folder cannot be read, or something in it is no lexicon or refers to what does not exist.
 */
export async function createValidator({ lexicons }: ValidatorOptions = {}): Promise<Validator> {
  const { builtInRecords, faultIn } = await import("./validate/schemas.ts");
  const schemas = builtInRecords();
  if (lexicons !== undefined) {
    const { recordsOf } = await import("./validate/folder.ts");
    for (const [nsid, schema] of await recordsOf(lexicons)) {
      if (schemas.has(nsid)) {
        log.info("The lexicon of {nsid} in {lexicons} replaces the built-in one", { nsid, lexicons });
      }
      schemas.set(nsid, schema);
    }
  }
  let invalid = 0;
  const invalidByCollection = new Map<string, number>();
  return {
    check(event) {
      if (event.kind !== "commit" || event.commit.operation === "delete") return undefined;
      const { collection, record } = event.commit;
      const schema = schemas.get(collection);
      const fault = schema && faultIn(schema, record);
      if (fault === undefined) return undefined;
      invalid++;
      invalidByCollection.set(collection, (invalidByCollection.get(collection) ?? 0) + 1);
      return fault;
    },
    get invalid() {
      return invalid;
    },
    invalidByCollection,
  };
}

/**
 * A function for `mapEvents`. `reject`: it throws a `PoisonError` with the reason `lexicon` for an invalid record. `warn`: it
 * passes everything, and logs the first invalid record of each collection, then one line a minute at most.
 *
 * @param now The clock, in milliseconds.
 */
export function validateWith<E extends AnyEvent>(
  validator: Validator,
  mode: "warn" | "reject",
  now: () => number = Date.now,
): (event: E) => E {
  const treat = mode === "reject" ? refuse : warner(now);
  return (event) => {
    const fault = validator.check(event);
    if (fault !== undefined) treat(event as unknown as CommitEvent, fault);
    return event;
  };
}

function refuse({ commit }: CommitEvent, fault: string): void {
  throw new PoisonError("lexicon", `Cannot accept record of ${commit.collection}: ${fault}`);
}

function warner(now: () => number): (event: CommitEvent, fault: string) => void {
  const seen = new Set<string>();
  const untold = new Map<string, number>();
  let toldAt = now();
  return (event, fault) => {
    const { collection } = event.commit;
    if (!seen.has(collection)) {
      seen.add(collection);
      log.warn("{uri} does not match its lexicon: {fault}", { uri: atUri(event).slice(0, LONGEST_URI), fault });
      return;
    }
    untold.set(collection, (untold.get(collection) ?? 0) + 1);
    if (now() - toldAt < WARN_EVERY_MS) return;
    toldAt = now();
    log.warn("More records do not match their lexicons: {counts}", { counts: most(untold) });
    untold.clear();
  };
}

/** The largest counts, as text. */
function most(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const others = sorted.slice(5).reduce((sum, [, count]) => sum + count, 0);
  const texts = sorted.slice(0, 5).map(([collection, count]) => `${count} of ${collection}`);
  return [...texts, ...(others > 0 ? [`${others} of others`] : [])].join(", ");
}
