import assert from "node:assert/strict";
import { didYouMean, nearest } from "./suggest.ts";

Deno.test("a slip of the fingers finds the word that was meant", () => {
  const known = ["jetstream", "simulate", "config", "batch-size", "batch-timeout"];
  for (
    const [typed, meant] of [["jetstraem", "jetstream"], ["jetstrea", "jetstream"], ["batchsize", "batch-size"], [
      "confg",
      "config",
    ]]
  ) {
    assert.equal(nearest(typed!, known), meant);
  }
});

Deno.test("a word that is far from all suggests nothing", () => {
  assert.equal(nearest("banana", ["jetstream", "config"]), undefined);
  assert.equal(nearest("n", ["url", "kinds"]), undefined);
  assert.equal(didYouMean("banana", ["config"]), "");
  assert.equal(didYouMean("confif", ["config"], "--"), ', did you mean "--config"?');
});

Deno.test("a text as long as a configuration file may be is compared with nothing (found by the fuzzer)", () => {
  const begun = performance.now();
  for (let i = 0; i < 1000; i++) assert.equal(nearest("x".repeat(1 << 20), ["debug", "info"]), undefined);
  assert(performance.now() - begun < 1000);
});
