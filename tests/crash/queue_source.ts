/**
 * A process that reads a queue into a SQLite file: `queue_source.ts QUEUE FILE`. An event that is called `deadly` ends it as a fault of
 * the machine would.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { mapEvents } from "../../lib/pipeline/stages.ts";
import { openQueue } from "../../lib/sinks/queue.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { queueSource } from "../../lib/sources/queue.ts";

const [file = "", path = ""] = Deno.args;

const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort());
await using queue = await openQueue(file);
await using source = queueSource({ queue, name: "q", leaseMs: 1000 });
await using sink = await sqliteSink({ path });
await runPipeline<AnyEvent>({
  source,
  through: (batches) => batches.pipeThrough(mapEvents(dieOf)),
  sink,
  batchMs: 20,
  checkpointMs: 50,
  stop: stop.signal,
});

function dieOf(event: AnyEvent): AnyEvent {
  if (event.kind === "commit" && event.commit.rkey === "deadly") Deno.kill(Deno.pid, "SIGKILL");
  return event;
}
