/**
 * Filters on what events say: operation, language, account, or any condition.
 *
 * @module
 */
import { hash } from "node:crypto";
import type { AnyEvent, Commit } from "../atproto/event.ts";
import { ConfigError } from "../pipeline/errors.ts";
import type { Where } from "./where.ts";

/** What an event must be like to be kept; what is not given does not matter. */
export interface FilterOptions {
  /** Of `create`, `update` and `delete`. Only commits are looked at. Empty: all. */
  readonly ops?: readonly string[];
  /**
   * Language tags (BCP 47): a post that is created or updated must name one of them in its `langs`, or a narrower one.
   * All else passes. Empty: all.
   */
  readonly langs?: readonly string[];
  /** The share of the accounts that are kept, 0 < P <= 1: the same ones in every run and on every machine. */
  readonly sample?: number;
  /** A CEL expression about `event`, the object that `toJson` prints. */
  readonly where?: string;
}

/** Decides which events are kept. */
export interface EventFilter {
  /** Whether an event is kept. Never throws, whatever a record is like. */
  keep(event: AnyEvent): boolean;
  /** Events for which `where` could not be evaluated; they are not kept. */
  readonly failures: number;
}

const OPERATIONS: readonly string[] = ["create", "update", "delete"];
const POST = "app.bsky.feed.post";
/** Good enough to tell a language from a slip; the registry of subtags grows. */
const LANGUAGE_TAG = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i;

/**
 * Makes a filter; `undefined` where the options leave nothing out.
 *
 * @throws {ConfigError} with every fault that the options have.
 *
 * @example
 * ```ts
 * import { createFilter, filterEvents } from "@org/bskyingest";
 * const filter = await createFilter({ langs: ["pt"], sample: 0.1 });
 * const stage = filter && filterEvents(filter.keep);
 * ```
 */
export async function createFilter(options: FilterOptions): Promise<EventFilter | undefined> {
  const { ops = [], langs = [], sample, where } = options;
  const faults = [...findFaults(options)];
  const condition = await compile(where, faults);
  const [first, ...others] = faults;
  if (first !== undefined) throw new ConfigError([first, ...others]);
  // The cheapest first.
  const tests = [
    ...(ops.length > 0 ? [operationFilter(ops)] : []),
    ...(sample !== undefined && sample < 1 ? [accountSample(sample)] : []),
    ...(langs.length > 0 ? [languageFilter(langs)] : []),
    ...(condition ? [condition.matches] : []),
  ];
  if (tests.length === 0) return undefined;
  return {
    keep: (event) => tests.every((test) => test(event)),
    get failures() {
      return condition?.failures ?? 0;
    },
  };
}

function* findFaults({ ops = [], langs = [], sample }: FilterOptions): Iterable<string> {
  for (const op of ops) {
    if (!OPERATIONS.includes(op)) yield `Cannot use --ops ${op}: it must be one of ${OPERATIONS.join(", ")}`;
  }
  for (const tag of langs) {
    if (!LANGUAGE_TAG.test(tag)) yield `Cannot use --langs ${tag}: it must be a language tag such as en or pt-BR`;
  }
  if (sample !== undefined && !(sample > 0 && sample <= 1)) {
    yield `Cannot use --sample ${sample}: it must be above 0 and at most 1`;
  }
}

async function compile(expression: string | undefined, faults: string[]): Promise<Where | undefined> {
  if (expression === undefined) return undefined;
  const { createWhere } = await import("./where.ts");
  try {
    return createWhere(expression);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
    return undefined;
  }
}

function operationFilter(ops: readonly string[]): EventFilter["keep"] {
  return (event) => event.kind !== "commit" || ops.includes(event.commit.operation);
}

/** Accounts whose answer is remembered: hashing a DID takes 1 us, and those who write much come again soon. */
const REMEMBERED = 50_000;
/** Longer ones than `did:plc:` and usual `did:web:` are hashed each time, so that memory stays within bounds. */
const LONGEST_REMEMBERED = 64;

/** A label belongs to the account of the labeler that set it. */
function accountSample(share: number): EventFilter["keep"] {
  const known = new Map<string, boolean>();
  return (event) => {
    const did = event.kind === "label" ? event.label.src : event.did;
    const answer = known.get(did);
    if (answer !== undefined) return answer;
    const chosen = parseInt(hash("sha256", did).slice(0, 8), 16) / 2 ** 32 < share;
    if (did.length > LONGEST_REMEMBERED) return chosen;
    if (known.size >= REMEMBERED) known.clear();
    known.set(did, chosen);
    return chosen;
  };
}

function languageFilter(langs: readonly string[]): EventFilter["keep"] {
  const wanted = langs.map((tag) => tag.toLowerCase());
  const isWanted = (tag: unknown) => {
    if (typeof tag !== "string") return false;
    const text = tag.toLowerCase();
    return wanted.some((w) => text.startsWith(w) && (text.length === w.length || text[w.length] === "-"));
  };
  const names = ({ operation, collection, record }: Commit) => {
    if (collection !== POST || operation === "delete") return true;
    return Array.isArray(record?.langs) && record.langs.some(isWanted);
  };
  return (event) => event.kind !== "commit" || names(event.commit);
}
