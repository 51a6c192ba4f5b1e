/**
 * Where a host's stream begins when a source is opened more than once.
 *
 * @module
 */
import type { Cursor } from "../../pipeline/batch.ts";

/**
 * The beginning of one host. A source is opened again after a sink has lost what it had confirmed, and is to go on at the position that is
 * left there, whatever the user said of the beginning. Only if that very position stands there which was saved before, nothing of what was
 * read is left, and it begins once more where it began.
 */
export class Beginning {
  /** The number behind which the stream was read from, once it is known: a live one's first frame tells. */
  from: number | undefined;
  #before: { readonly saved: Cursor | undefined } | undefined;

  /** Whether it is to begin, and not to go on, where `saved` is the position; asked once for each opening. */
  isAt(saved: Cursor | undefined): boolean {
    this.#before ??= { saved };
    return this.#before.saved === saved;
  }
}
