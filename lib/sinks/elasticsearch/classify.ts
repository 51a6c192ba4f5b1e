/**
 * What an answer of Elasticsearch means, for a whole request and for one item of a bulk.
 *
 * Facts: {@link https://www.elastic.co/docs/api/doc/elasticsearch/v8/operation/operation-bulk the bulk API}; the types of errors
 * were tried on a server of version 8.19, those of its security from the documentation only.
 *
 * @module
 */
import type { Answer } from "./connection.ts";

/** What the server says is wrong. */
export interface ServerError {
  /** Such as `document_parsing_exception`; empty where the server named none. */
  readonly type: string;
  /** One sentence. */
  readonly reason: string;
  /** Why that is so. */
  readonly causedBy: string | undefined;
}

/**
 * - `ok`: the answer says what was asked for.
 * - `retry`: later, perhaps; `busy`: the same, and there are too many requests.
 * - `too_large`: the body. `bad_request`: something in it, and nothing of it was done.
 * - `denied`: credentials or privileges. `pause`: somebody must make room or lift a block. `config`: anything else.
 */
export type RequestClass = "ok" | "retry" | "busy" | "too_large" | "bad_request" | "denied" | "pause" | "config";

/** Sorts the answer to a whole request. */
export function classifyRequest({ status, body }: Pick<Answer, "status" | "body">): RequestClass {
  if (status === 200) return "ok";
  if (errorOf(body).type === "cluster_block_exception") return "pause";
  if (status >= 500) return "retry";
  switch (status) {
    case 400:
      return "bad_request";
    case 401:
    case 403:
      return "denied";
    case 408:
      return "retry";
    case 413:
      return "too_large";
    case 429:
      return "busy";
    default:
      return "config";
  }
}

/**
 * - `ok`: durable, or gone. `superseded`: something newer is there already, which is as good.
 * - `dead`: never. `retry`, `busy`, `denied`, `pause`: as of a request.
 * - `missing`: there is no such index. `no_write_index`: an alias of several indices does not say which one is written to.
 * - `bug`: a request that this program should not have made.
 */
export type ItemClass =
  | "ok"
  | "superseded"
  | "dead"
  | "retry"
  | "busy"
  | "pause"
  | "denied"
  | "missing"
  | "no_write_index"
  | "bug";

/** Sorts the answer to one item of a bulk. */
export function classifyItem(action: "index" | "delete", status: number, { type, reason }: ServerError): ItemClass {
  if (status === 200 || status === 201) return "ok";
  if (status === 404 && action === "delete" && (type === "" || type === "index_not_found_exception")) return "ok";
  if (status < 400 || status >= 500) return "retry";
  if (type === "cluster_block_exception") return "pause";
  if (status === 429) return "busy";
  switch (`${status} ${type}`) {
    case "409 version_conflict_engine_exception":
      return "superseded";
    case "404 index_not_found_exception":
      return "missing";
    case "403 security_exception":
      return "denied";
    case "400 routing_missing_exception":
    case "400 invalid_index_name_exception":
      return "bug";
    case "400 index_closed_exception":
    case "400 validation_exception": // the cluster may not have more shards
      return "pause";
    case "400 illegal_argument_exception":
      return reason.startsWith("no write index is defined") ? "no_write_index" : "dead";
    default:
      return "dead";
  }
}

/** The `error` of a whole answer or of an item; empty where there is none. */
export function errorOf(answer: unknown): ServerError {
  const error = memberOf(answer, "error");
  if (typeof error === "string") return { type: "", reason: error, causedBy: undefined };
  const causedBy = memberOf(memberOf(error, "caused_by"), "reason");
  return {
    type: String(memberOf(error, "type") ?? ""),
    reason: String(memberOf(error, "reason") ?? ""),
    causedBy: causedBy === undefined ? undefined : String(causedBy),
  };
}

/** A member of what may be no object at all; `null` counts as absent. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name] ?? undefined;
}

/** An error in one sentence: what the server says, or at least the status. */
export function describeError({ type, reason }: ServerError, status: number): string {
  return [type || `status ${status}`, reason].filter((part) => part !== "").join(": ");
}
