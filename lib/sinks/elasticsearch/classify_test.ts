import { deepEqual, equal } from "node:assert/strict";
import {
  classifyItem,
  classifyRequest,
  describeError,
  errorOf,
  type ItemClass,
  type RequestClass,
} from "./classify.ts";

Deno.test("E29: every line of the table of items leads to its class", () => {
  const lines: [status: number, action: "index" | "delete", type: string, wanted: ItemClass, reason?: string][] = [
    [200, "index", "", "ok"],
    [201, "index", "", "ok"],
    [200, "delete", "", "ok"],
    [404, "delete", "", "ok"],
    [404, "delete", "index_not_found_exception", "ok"],
    [409, "index", "version_conflict_engine_exception", "superseded"],
    [409, "delete", "version_conflict_engine_exception", "superseded"],
    [429, "index", "cluster_block_exception", "pause"],
    [429, "delete", "cluster_block_exception", "pause"],
    [403, "index", "cluster_block_exception", "pause"],
    [403, "index", "security_exception", "denied"],
    [429, "index", "es_rejected_execution_exception", "busy"],
    [429, "delete", "circuit_breaking_exception", "busy"],
    [400, "index", "document_parsing_exception", "dead"],
    [400, "index", "mapper_parsing_exception", "dead"],
    [400, "index", "strict_dynamic_mapping_exception", "dead"],
    [400, "index", "illegal_argument_exception", "dead", "if _id is specified it must not be empty"],
    [400, "index", "illegal_argument_exception", "no_write_index", "no write index is defined for alias [likes]"],
    [400, "index", "routing_missing_exception", "bug"],
    [400, "index", "invalid_index_name_exception", "bug"],
    [400, "index", "index_closed_exception", "pause"],
    [400, "index", "validation_exception", "pause", "this action would add [2] shards"],
    [404, "index", "index_not_found_exception", "missing"],
    [500, "index", "null_pointer_exception", "retry"],
    [503, "delete", "unavailable_shards_exception", "retry"],
    [409, "index", "something_exception", "dead"],
    [403, "index", "something_exception", "dead"],
    [404, "index", "something_exception", "dead"],
    [410, "delete", "something_exception", "dead"],
    [0, "index", "", "retry"],
  ];
  for (const [status, action, type, wanted, reason = "r"] of lines) {
    equal(classifyItem(action, status, { type, reason, causedBy: undefined }), wanted, `${status} ${action} ${type}`);
  }
});

Deno.test("every line of the table of requests leads to its class", () => {
  const error = (type: string) => ({ error: { type, reason: "r" } });
  const lines: [status: number, body: unknown, wanted: RequestClass][] = [
    [200, {}, "ok"],
    [408, undefined, "retry"],
    [429, error("es_rejected_execution_exception"), "busy"],
    [500, undefined, "retry"],
    [502, undefined, "retry"],
    [503, error("cluster_block_exception"), "pause"],
    [503, undefined, "retry"],
    [504, undefined, "retry"],
    [413, undefined, "too_large"],
    [400, error("illegal_argument_exception"), "bad_request"],
    [401, error("security_exception"), "denied"],
    [403, error("security_exception"), "denied"],
    [403, error("cluster_block_exception"), "pause"],
    [404, error("index_not_found_exception"), "config"],
    [405, { error: "Incorrect HTTP method" }, "config"],
    [406, undefined, "config"],
    [415, undefined, "config"],
    [302, undefined, "config"],
  ];
  for (const [status, body, wanted] of lines) equal(classifyRequest({ status, body }), wanted, `${status}`);
});

Deno.test("errorOf: whatever shape an error has", () => {
  deepEqual(errorOf({ error: { type: "t", reason: "r", caused_by: { reason: "c" } } }), {
    type: "t",
    reason: "r",
    causedBy: "c",
  });
  deepEqual(errorOf({ error: "text" }), { type: "", reason: "text", causedBy: undefined });
  for (const none of [undefined, null, "text", {}, { error: null }, { error: {} }]) {
    deepEqual(errorOf(none), { type: "", reason: "", causedBy: undefined });
  }
});

Deno.test("describeError: the server's words, or the status", () => {
  equal(describeError({ type: "t", reason: "r", causedBy: undefined }, 400), "t: r");
  equal(describeError({ type: "", reason: "r", causedBy: undefined }, 400), "status 400: r");
  equal(describeError({ type: "", reason: "", causedBy: undefined }, 502), "status 502");
});
