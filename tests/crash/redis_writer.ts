/**
 * A process that writes numbered events into a Redis stream and is killed while it does: `redis_writer.ts URL TOTAL LOCK_FOLDER`. It
 * goes on after the saved position and prints a line for each batch.
 *
 * @module
 */
import { redisSink } from "../../lib/sinks/redis.ts";
import { KEY, putNumbers } from "../support/redis_sink.ts";

const [url = "", total = "", lockFolder] = Deno.args;

await using sink = await redisSink({ connection: { url }, lockFolder, highWaterMark: 0 });
let done = Number(await sink.checkpoints.load(KEY) ?? 0);
while (done < Number(total)) {
  const from = done + 1;
  done = Math.min(done + 1 + Math.floor(Math.random() * 400), Number(total));
  await putNumbers(sink, from, done);
  console.log(done);
}
