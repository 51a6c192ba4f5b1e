/**
 * What is known of dead letters while a run lasts: how many of which kind, and the newest ones.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import type { DeadLetter, Letter } from "../pipeline/deliver.ts";
import { messageOf } from "../pipeline/errors.ts";
import { BlockedTime } from "../pipeline/link.ts";
import { addTo, MOST_LABELS } from "./bounded.ts";
import type { DeadLetterJson } from "./snapshot.ts";

const MOST_KEPT = 20;
const MOST_ERROR_CHARACTERS = 1000;

/** Looks on while letters are made durable. */
export class DeadLetterWatch {
  /** By stage and reason, with a line feed between them. */
  readonly counts: Map<string, number> = new Map();
  /** Undecodable messages by reason. */
  readonly undecodable: Map<string, number> = new Map();
  /** Events that were written and could not be delivered, since the last `clear`: no counter of the pipeline has them. */
  undelivered = 0;
  /** Letters that are not durable yet. */
  waiting = 0;
  /** In which there were such letters. */
  readonly blocked: BlockedTime = new BlockedTime();
  #newest: DeadLetterJson[] = [];

  /** Newest first. */
  get newest(): readonly DeadLetterJson[] {
    return this.#newest;
  }

  /** The same dead letter, watched. */
  watch(append: DeadLetter): DeadLetter {
    return async (letters, options) => {
      this.waiting += letters.length;
      this.blocked.begin();
      try {
        await append(letters, options);
        for (const letter of letters) this.#note(letter);
      } finally {
        this.waiting -= letters.length;
        if (this.waiting === 0) this.blocked.end();
      }
    };
  }

  /** The list is empty again; counts stay. */
  clear(): void {
    this.#newest = [];
    this.undelivered = 0;
  }

  #note(letter: Letter): void {
    const { stage, error } = letter;
    addTo(this.counts, `${stage}\n${error.reason}`, 1, MOST_LABELS);
    if (stage === "webhook") this.undelivered++;
    if (stage === "source") addTo(this.undecodable, error.reason, 1, MOST_LABELS);
    this.#newest.unshift(letterJson(letter));
    if (this.#newest.length > MOST_KEPT) this.#newest.pop();
  }
}

function letterJson({ stage, error, item, detail }: Letter): DeadLetterJson {
  const event = item as Partial<AnyEvent> | undefined;
  const did = event && "did" in event ? event.did : detail?.did;
  return {
    at: new Date().toISOString(),
    stage,
    reason: error.reason,
    error: messageOf(error).slice(0, MOST_ERROR_CHARACTERS).toWellFormed(),
    did: typeof did === "string" ? did : null,
    collection: event?.kind === "commit" && event.commit ? event.commit.collection : null,
  };
}
