/**
 * A process that reads a stream as one of a group into a SQLite file: `redis_consumer.ts URL CONSUMER FILE`. An event that is called
 * `deadly` ends it as a fault of the machine would. It prints a line for each batch.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { mapEvents } from "../../lib/pipeline/stages.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { redisSource } from "../../lib/sources/redis.ts";

const [url = "", consumer = "", path = ""] = Deno.args;

const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort());
await using source = redisSource({
  connection: { url },
  group: "g",
  consumer,
  claimIdleMs: 1000,
  claimMs: 200,
  blockMs: 50,
});
await using sink = await sqliteSink({ path });
await runPipeline<AnyEvent>({
  source,
  through: (batches) => batches.pipeThrough(mapEvents(dieOf)),
  sink,
  deadLetter: source.deadLetter(() => Promise.reject(new Error("Cannot bury what is not of the stream"))),
  batchMs: 20,
  checkpointMs: 50,
  stop: stop.signal,
});

function dieOf(event: AnyEvent): AnyEvent {
  if (event.kind === "commit" && event.commit.rkey === "deadly") Deno.kill(Deno.pid, "SIGKILL");
  console.log("read");
  return event;
}
