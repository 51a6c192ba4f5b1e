import { equal, ok } from "node:assert/strict";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { countDenials } from "./denials.ts";

Deno.test("countDenials: the third refusal in a row is believed, those side by side are one", () => {
  let now = 0;
  const denials = countDenials(10_000, () => now);
  const refusal = new ConfigError("Cannot write: 401");
  const first = denials(refusal);
  ok(first instanceof TransientError);
  equal(first.retryAfterMs, 10_000);
  equal(first.message, "Cannot write: 401");
  ok(denials(refusal) instanceof TransientError);
  ok(denials(refusal) instanceof TransientError);
  now = 10_000;
  ok(denials(refusal) instanceof TransientError);
  now = 20_000;
  equal(denials(refusal), refusal);
});

Deno.test("countDenials: refusals that lie far apart are not in a row", () => {
  let now = 0;
  const denials = countDenials(10_000, () => now);
  for (let i = 0; i < 5; i++, now += 61_000) {
    ok(denials(new ConfigError("Cannot write: 401")) instanceof TransientError);
  }
});
