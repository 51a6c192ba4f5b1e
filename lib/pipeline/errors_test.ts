import { deepEqual, equal } from "node:assert/strict";
import { ConfigError, messageOf, PoisonError, TransientError } from "./errors.ts";

Deno.test("ConfigError: the first of several faults is the message", () => {
  const error = new ConfigError(["Cannot use a", "Cannot use b"], { hint: "Set c" });
  equal(error.message, "Cannot use a");
  deepEqual(error.faults, ["Cannot use a", "Cannot use b"]);
  equal(error.hint, "Set c");
  deepEqual(new ConfigError("Cannot use a").faults, ["Cannot use a"]);
});

Deno.test("errors keep their cause and what decides about them", () => {
  const cause = new Error("Connection reset");
  const transient = new TransientError("Cannot connect: reset", { cause, retryAfterMs: 5000 });
  deepEqual([transient.cause, transient.retryAfterMs, transient.name], [cause, 5000, "TransientError"]);
  const poison = new PoisonError("status_400", "Cannot take it", { cause });
  deepEqual([poison.cause, poison.reason, poison.name], [cause, "status_400", "PoisonError"]);
  deepEqual(new PoisonError("status_400", "Cannot take it", { detail: { status: 400 } }).detail, { status: 400 });
});

Deno.test("messageOf: anything thrown as one line", () => {
  equal(messageOf(new Error("Cannot parse it:\r\n  line 1\n\n  line 2")), "Cannot parse it: line 1 line 2");
  equal(messageOf(new TypeError("")), "TypeError");
  equal(messageOf("text\nmore"), "text more");
  equal(messageOf(undefined), "undefined");
});
