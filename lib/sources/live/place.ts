/**
 * Where the reader of a numbered stream is: what it has handed on, what it asks for next, and what is missing in between.
 *
 * @module
 */
import type { Cursor, Gap } from "../../pipeline/batch.ts";
import { ConfigError } from "../../pipeline/errors.ts";

/** Frames in a row whose numbers do not grow, after which the server counts as one that began anew. */
const MOST_BACKWARDS = 100;

/** What becomes of a frame: `copy` and `back` are not handed on, with `anew` the numbers mean something else from here on. */
export type Verdict = "new" | "copy" | "back" | "anew";

/** Why something is missing. */
export type GapReason =
  | "outdated_cursor"
  | "future_cursor"
  | "seq_regression"
  | "cursor_moved"
  | "consumer_too_slow"
  | "frame_size";

/** A gap whose end the next frame tells. */
interface ExpectedGap {
  readonly from: number;
  /** The server's words. */
  readonly detail?: string | undefined;
}

/** Options of {@link Place}. */
export interface PlaceOptions {
  /** Which command's source: in gaps. */
  readonly source: string;
  readonly host: string;
  /** Where to begin when neither the user nor a saved position says it. */
  readonly begin: "live" | "oldest";
}

/** The position in one stream of one host. */
export class Place {
  /** The number behind which to go on: of the last frame handed on, or where to begin; undefined: live. */
  seq: number | undefined;
  /** What `seq` was at first; of a live stream, what it would have been. */
  from: number | undefined;
  /** Frames that were not handed on because their numbers did not grow. */
  regressions = 0;
  readonly #options: PlaceOptions;
  /** What is added to the cursor to get past a frame that is too large. */
  #raise = 0;
  #oversize = 0;
  #first = true;
  #asked: number | undefined;
  #backwards = 0;
  /** The server said on this connection that it does not reach back to the cursor. */
  #outdated = false;
  readonly #expected = new Map<GapReason, ExpectedGap>();
  #gaps: Gap[] = [];

  constructor(options: PlaceOptions) {
    this.#options = options;
  }

  /**
   * Takes up a saved position, or what the user says in its place.
   *
   * @param cursor What the user says: `live`, `oldest`, or behind a number.
   * @throws {ConfigError} where it is needed and cannot be read: a run must never start live, or at the oldest, for that.
   */
  start(saved: Cursor | undefined, cursor?: "live" | "oldest" | number): void {
    const { begin, host } = this.#options;
    const told = cursor ?? (saved === undefined ? begin : undefined);
    if (told === undefined) {
      this.from = this.seq = readSeq(saved!, host);
      return;
    }
    this.from = this.seq = told === "live" ? undefined : told === "oldest" ? 0 : told;
    const before = saved !== undefined && isSeq(saved) ? Number(saved) : undefined;
    if (cursor === undefined || before === undefined) return;
    if (this.seq === undefined) this.expect("cursor_moved", undefined, before);
    else if (this.seq > before) this.#push("cursor_moved", before + 1, this.seq, "accepted");
  }

  /** What a new connection asks for. */
  ask(): number | undefined {
    this.#first = true;
    this.#outdated = false;
    this.#backwards = 0;
    return this.#asked = this.seq === undefined ? undefined : this.seq + this.#raise;
  }

  /** Whether the last connection asked for something that can be too new. */
  get askedForward(): boolean {
    return this.#asked !== undefined && this.#asked > 0;
  }

  /** Whether frames are being left out to get past one that is too large. */
  get raised(): boolean {
    return this.#raise > 0;
  }

  /** The server no longer has what lies behind the cursor. */
  outdated(detail: string | undefined): void {
    this.#outdated = true;
    this.expect("outdated_cursor", detail);
  }

  /** Something is missing behind the position; the next frame tells up to where. */
  expect(reason: GapReason, detail?: string, after: number | undefined = this.seq): void {
    if (after !== undefined) this.#expected.set(reason, { from: after + 1, detail });
  }

  /** A frame was larger than what is accepted: it is asked for once more, then further and further past it. */
  oversize(): void {
    if (++this.#oversize < 2) return;
    this.#raise = this.#raise === 0 ? 1 : this.#raise * 2;
    this.expect("frame_size");
  }

  /** What becomes of a frame with this number. Only `new` ones move the position. */
  meet(seq: number): Verdict {
    const { seq: last } = this;
    const first = this.#first;
    this.#first = false;
    if (last !== undefined && seq <= last) {
      if (first && seq === last) return "copy";
      if (first) return "anew";
      this.regressions++;
      return ++this.#backwards >= MOST_BACKWARDS ? "anew" : "back";
    }
    this.#backwards = 0;
    this.#raise = this.#oversize = 0;
    if (this.#expected.size > 0) this.#resolve(seq);
    this.seq = seq;
    this.from ??= seq - 1;
    return "new";
  }

  /** The server's numbers lead nowhere: begin anew, live or with the oldest. */
  restart(where: "live" | "oldest", reason: "future_cursor" | "seq_regression", detail: string | undefined): void {
    this.missNumbers(reason, detail);
    this.#expected.clear();
    this.seq = where === "live" ? undefined : 0;
    this.#raise = this.#oversize = this.#backwards = 0;
  }

  /** Everything behind the position is missing, and no number tells up to where. */
  missNumbers(reason: "future_cursor" | "seq_regression", detail: string | undefined): void {
    if (this.seq !== undefined) this.#push(reason, this.seq + 1, undefined, "open", detail);
  }

  /** Gaps that no batch carries yet. */
  get hasGaps(): boolean {
    return this.#gaps.length > 0;
  }

  takeGaps(): readonly Gap[] {
    const gaps = this.#gaps;
    this.#gaps = [];
    return gaps;
  }

  /** The position as text; undefined: there is none yet. */
  get cursor(): Cursor | undefined {
    return this.seq === undefined ? undefined : String(this.seq);
  }

  /** The first frame behind a hole is there. */
  #resolve(seq: number): void {
    for (const [reason, { from, detail }] of this.#expected) {
      if (reason === "consumer_too_slow") {
        this.#push(reason, from, Math.max(from, seq - 1), this.#outdated ? "open" : "healed", detail);
      } else if (seq > from) {
        this.#push(reason, from, seq - 1, reason === "cursor_moved" ? "accepted" : "open", detail);
      }
    }
    this.#expected.clear();
  }

  #push(reason: GapReason, from: number, to: number | undefined, state: Gap["state"], detail?: string): void {
    const { source, host } = this.#options;
    this.#gaps.push({ source, host, unit: "seq", from, to, reason, state, ...(detail !== undefined && { detail }) });
  }
}

function isSeq(text: string): boolean {
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text));
}

function readSeq(text: Cursor, host: string): number {
  if (isSeq(text)) return Number(text);
  throw new ConfigError(`Cannot read cursor "${text.slice(0, 80)}" for ${host}: it must be an integer`, {
    hint: 'Say where to begin with --cursor, or see "bskyingest cursor --help"',
  });
}
