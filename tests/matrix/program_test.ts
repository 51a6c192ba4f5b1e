import assert from "node:assert/strict";
import { inFolder } from "../support/temp.ts";
import { startHere } from "./program.ts";
import { summaryIn } from "./world.ts";

Deno.test("a run's time counts from its own beginning, however old the process is", async () => {
  await inFolder(async (folder) => {
    const began = performance.now();
    await using running = startHere(["jetstream", "--simulate", "-n", "10", "--sink", "null", "--json"], folder);
    const { duration_ms, started_at } = summaryIn(await running.ended);
    assert(duration_ms <= Math.ceil(performance.now() - began), `${duration_ms} ms`);
    assert(Date.parse(started_at) >= Math.floor(performance.timeOrigin + began), started_at);
  });
});
