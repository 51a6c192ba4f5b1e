/**
 * A process that writes numbered events into a SQLite file and is killed while it does: `sqlite_writer.ts FILE TOTAL [STATEMENT]`.
 * It goes on after the saved position and prints a line for each batch. With STATEMENT it kills itself in its second batch,
 * before the statement of that number.
 *
 * @module
 */
import { DatabaseSync, StatementSync } from "node:sqlite";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { commitEvents, ORIGIN, put } from "../support/sqlite.ts";

const [path = "", total = "", statement] = Deno.args;

/** Counts what is sent to SQLite from now on, and ends the process before one of them. */
function killBefore(number: number): void {
  let sent = 0;
  // deno-lint-ignore no-explicit-any -- whatever the method takes and gives
  const counted = (prototype: any, method: string) => {
    const original = prototype[method];
    prototype[method] = function (...args: unknown[]) {
      if (++sent === number) Deno.kill(Deno.pid, "SIGKILL");
      return original.apply(this, args);
    };
  };
  counted(DatabaseSync.prototype, "exec");
  counted(StatementSync.prototype, "run");
  counted(StatementSync.prototype, "get");
}

await using sink = await sqliteSink({ path });
let done = Number(await sink.checkpoints.load("jetstream") ?? 0);
for (let batch = 1; done < Number(total); batch++) {
  if (statement !== undefined && batch === 2) killBefore(Number(statement));
  const origin = { ...ORIGIN, host: `host${batch}.test` };
  const size = Math.min(1 + Math.floor(Math.random() * 400), Number(total) - done);
  const events = commitEvents(size, done + 1).map((event) => ({ ...event, origin }));
  const from = done;
  done += size;
  const gap = {
    source: "jetstream",
    host: "h",
    unit: "seq",
    from,
    to: from,
    reason: "clamped",
    state: "open",
  } as const;
  await put(sink, events, { cursor: String(done), gaps: [gap], end: done === Number(total) });
  console.log(done);
}
