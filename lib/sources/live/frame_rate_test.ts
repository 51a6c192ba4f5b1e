import { equal } from "node:assert/strict";
import { FrameRate } from "./frame_rate.ts";

Deno.test("a stream is busy after over 600 frames in ten minutes, and until they are longer ago", () => {
  let now = 123_456;
  const rate = new FrameRate(() => now);
  equal(rate.busy, false);
  rate.add(600);
  equal(rate.busy, false);
  rate.add(1);
  equal(rate.busy, true);
  now += 9 * 60_000;
  equal(rate.busy, true);
  now += 60_000;
  equal(rate.busy, false);
  for (let i = 0; i < 20; i++, now += 60_000) rate.add(59);
  equal(rate.busy, false);
  for (let i = 0; i < 20; i++, now += 60_000) rate.add(70);
  equal(rate.busy, true);
});
