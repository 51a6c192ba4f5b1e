/**
 * What follows from how a connection ended.
 *
 * @module
 */
import { CERTIFICATE_HINT, isCertificateFault } from "../../net/certificate.ts";
import type { Outcome } from "../../net/websocket.ts";
import { ConfigError, FatalError, TransientError } from "../../pipeline/errors.ts";

/** Closes against the protocol in a row, without data, that end a run. */
const MOST_PROTOCOL_ERRORS = 5;
const PROTOCOL_CODES: readonly number[] = [1002, 1003, 1007, 1009];
/** Of a server's words so many characters are shown. */
const MOST_WORDS = 200;

/** What is known of the connections to one host. */
export class Judge {
  readonly #host: string;
  /** Whether a handshake ever went well in this run. */
  #accepted = false;
  #protocolErrors = 0;

  constructor(host: string) {
    this.#host = host;
  }

  /** A handshake went well. */
  accepted(): void {
    this.#accepted = true;
  }

  /** Data came. */
  progressed(): void {
    this.#protocolErrors = 0;
  }

  /**
   * Why to wait before the next attempt; `undefined`: no reason.
   *
   * @throws {ConfigError} where the server refuses us for good.
   * @throws {FatalError} where the server finds fault with the protocol again and again.
   */
  failureOf(outcome: Outcome): TransientError | undefined {
    switch (outcome.kind) {
      case "stopped":
      case "paused": // we did not read for too long, so the server is not to blame
        return undefined;
      case "oversize":
        return this.failure("a frame is larger than --max-frame-bytes");
      case "dead":
        return this.failure("there is no sign of life");
      case "silent":
        return this.failure("there were no frames within the idle timeout");
      case "refused":
        return this.#refused(outcome);
      case "failed":
        return this.#failed(outcome.error);
      case "closed":
        return this.#closed(outcome.code, outcome.reason);
    }
  }

  /** A reason to wait. */
  failure(words: string, retryAfterMs?: number): TransientError {
    return new TransientError(`Cannot read from ${this.#host}: ${words}`, { retryAfterMs });
  }

  #refused({ status, body, retryAfterMs }: Extract<Outcome, { kind: "refused" }>): TransientError {
    const words = `HTTP ${status}${body.trim() === "" ? "" : `: ${body.trim().slice(0, MOST_WORDS)}`}`;
    const mayHeal = status === 408 || status === 429 || (status >= 500 && status !== 501);
    return mayHeal ? this.failure(words, retryAfterMs) : this.#unlessAccepted(words);
  }

  #failed(words: string): TransientError {
    return isCertificateFault(words)
      ? this.#unlessAccepted(words.slice(0, MOST_WORDS), CERTIFICATE_HINT)
      : this.failure(words);
  }

  #closed(code: number, reason: string): TransientError {
    const words = `it closed with ${code}${reason === "" ? "" : ` "${reason}"`}`;
    if (PROTOCOL_CODES.includes(code) && ++this.#protocolErrors >= MOST_PROTOCOL_ERRORS) {
      throw new FatalError(`Cannot read from ${this.#host}: ${words}, ${MOST_PROTOCOL_ERRORS} times in a row`);
    }
    return this.failure(words);
  }

  /** What cannot heal ends a run, but not one that worked before: then it is the server that changed. */
  #unlessAccepted(words: string, hint?: string): TransientError {
    if (!this.#accepted) throw new ConfigError(`Cannot subscribe at ${this.#host}: ${words}`, { hint });
    return this.failure(words);
  }
}
