/**
 * Bulk requests: sending lines, and finding out what became of each.
 *
 * @module
 */
import { ConfigError, PoisonError, TransientError } from "../../pipeline/errors.ts";
import { bulkBodies, type BulkBody, halves, type Line, newRoom, type Room } from "./body.ts";
import { classifyItem, classifyRequest, describeError, errorOf, memberOf, type ServerError } from "./classify.ts";
import type { Answer } from "./connection.ts";
import type { InFlight } from "./in_flight.ts";
import type { Requester } from "./requests.ts";

/** A line that was not written. */
export interface Failure {
  readonly line: Line;
  /** A `PoisonError` or a `TransientError`. */
  readonly error: PoisonError | TransientError;
}

/** What {@link bulkSender} works with. */
export interface BulkOptions {
  readonly requests: Requester;
  readonly inFlight: InFlight;
  /** The size of a body at most, in bytes. */
  readonly maxBytes: number;
  /** Told how many lines were refused because something newer is there. */
  readonly onSuperseded: (count: number) => void;
  /** Told that an index is not there. Throws `ConfigError` if nothing can be done about it. */
  readonly onMissing: (index: string) => void;
}

/**
 * Sends lines in as many bulks as they need, one after the other, and answers with those that were not written.
 *
 * Rejects with what is wrong with more than single lines: `TransientError` (nothing is known of them: send all again, versions make
 * that harmless), `ConfigError`, or `Error` for requests that this program should not have made.
 */
export type BulkSender = (lines: readonly Line[], signal: AbortSignal) => Promise<readonly Failure[]>;

/** Only this of an answer is needed; each item keeps its place in it. */
const FILTER = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason";
/** When so many documents are refused for the same reason, it is not the documents. */
const MOST_BAD_REQUESTS = 10;

/** Makes a sender. It remembers for the whole run which size the server takes. */
export function bulkSender({ requests, inFlight, maxBytes, onSuperseded, onMissing }: BulkOptions): BulkSender {
  let limit = maxBytes;
  const badRequests = countBadRequests();
  const rooms: Room[] = [];

  /** Answers with the failures; adds to `todo` what must be sent in smaller parts. */
  function settle(body: BulkBody, answer: Answer, todo: BulkBody[]): readonly Failure[] {
    const [line] = body.lines;
    const kind = classifyRequest(answer);
    if (kind === "ok") return settleItems(body, answer);
    if (kind === "busy") inFlight.busy();
    if (kind !== "too_large" && kind !== "bad_request") throw requests.failure(answer, "Cannot write a bulk", "write");
    if (body.lines.length > 1) {
      if (kind === "too_large") limit = Math.min(limit, Math.ceil(body.bytes.length / 2));
      todo.push(...halves(body, limit).reverse());
      return [];
    }
    const error = kind === "too_large" ? tooLarge(body.bytes.length) : errorOf(answer.body);
    if (kind === "bad_request") badRequests(line!, error, answer.status);
    return [{ line: line!, error: poison(line!, answer.status, error) }];
  }

  function settleItems({ lines }: BulkBody, answer: Answer): readonly Failure[] {
    const items = memberOf(answer.body, "items");
    if (!Array.isArray(items) || items.length !== lines.length) {
      throw requests.failure(answer, "Cannot write a bulk", "write");
    }
    if (memberOf(answer.body, "errors") === false) {
      inFlight.good();
      return [];
    }
    const failures: Failure[] = [];
    let superseded = 0, busy = false;
    lines.forEach((line, i) => {
      const { action } = line.write;
      const item = memberOf(items[i], action);
      const status = Number(memberOf(item, "status") ?? 0), error = errorOf(item);
      const kind = classifyItem(action, status, error);
      if (kind === "superseded") superseded++;
      else if (kind === "busy") busy = true;
      if (kind === "ok" || kind === "superseded") return;
      failures.push({ line, error: itemFailure(kind, { line, status, error, answer }) });
    });
    if (superseded > 0) onSuperseded(superseded);
    if (busy) inFlight.busy();
    else if (failures.length === 0) inFlight.good();
    return failures;
  }

  function itemFailure(
    kind: ReturnType<typeof classifyItem>,
    { line, status, error, answer }: { line: Line; status: number; error: ServerError; answer: Answer },
  ): PoisonError | TransientError {
    const message = `Cannot write to ${line.index}: ${describeError(error, status)}`;
    switch (kind) {
      case "dead":
        return poison(line, status, error);
      case "pause":
        return new TransientError(message, { retryAfterMs: requests.pauseMs });
      case "missing":
        onMissing(line.index);
        return new TransientError(message);
      case "denied": {
        const hint = `The credentials need the privilege write on ${line.index}`;
        const refusal = requests.denials(new ConfigError(message, { hint }));
        if (refusal instanceof ConfigError) throw refusal;
        return refusal;
      }
      case "no_write_index":
        throw new ConfigError(message, { hint: `Say which index of the alias ${line.index} is its write index` });
      case "bug":
        throw new Error(message);
      default:
        return new TransientError(message, { retryAfterMs: answer.retryAfterMs });
    }
  }

  async function sendBody(body: BulkBody, signal: AbortSignal): Promise<readonly Failure[]> {
    const failures: Failure[] = [];
    const todo = [body];
    for (let part; (part = todo.pop());) {
      const { bytes } = part;
      const answer = await inFlight.run(signal, () =>
        requests.send({
          method: "POST",
          path: "/_bulk",
          querystring: { filter_path: FILTER },
          body: bytes,
          ndjson: true,
          signal,
        }));
      failures.push(...settle(part, answer, todo));
    }
    return failures;
  }

  return async (lines, signal) => {
    const failures: Failure[] = [];
    const room = rooms.pop() ?? newRoom();
    for (const body of bulkBodies(lines, () => limit, room)) failures.push(...await sendBody(body, signal));
    // Not where that threw: a request without an answer may be on its way still.
    rooms.push(room);
    return failures;
  };
}

function tooLarge(bytes: number): ServerError {
  return { type: "too_large", reason: `The server takes no body of ${bytes} bytes`, causedBy: undefined };
}

/** The error of a line that can never be written, with what the dead letter says of it. */
function poison({ write, index }: Line, status: number, { type, reason, causedBy }: ServerError): PoisonError {
  const detail = {
    index,
    doc_id: write.id,
    action: write.action,
    status,
    ...(causedBy !== undefined && { caused_by: causedBy }),
  };
  return new PoisonError(type || `status_${status}`, reason || `The server answered with status ${status}`, { detail });
}

/** Counts documents that make the server refuse a whole bulk, and throws when there are too many of one type. */
function countBadRequests(): (line: Line, error: ServerError, status: number) => void {
  const seen = new Map<string, Set<string>>();
  return (line, error, status) => {
    const ids = seen.get(error.type) ?? new Set();
    seen.set(error.type, ids.add(line.write.id));
    if (ids.size < MOST_BAD_REQUESTS) return;
    throw new ConfigError(
      `Cannot write bulks: the server refused ${ids.size} for one reason: ${describeError(error, status)}`,
    );
  };
}
