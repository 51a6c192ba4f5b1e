import assert from "node:assert/strict";
import { whereFrom } from "./reading.ts";

Deno.test("where a run goes on, in words: a number is a time only where it is one in microseconds", () => {
  assert.equal(whereFrom(undefined), "no saved position");
  assert.equal(whereFrom("180"), "resuming behind 180");
  assert.equal(whereFrom("1783175888390226"), "resuming after 2026-07-04T14:38:08.390Z");
  assert.equal(whereFrom('{"v":1,"time_us":1783175888390226}'), "resuming after 2026-07-04T14:38:08.390Z");
  assert.equal(whereFrom("1730000000000::did:plc:abc"), "resuming after 1730000000000::did:plc:abc");
});
