/**
 * A consumer that is killed: takes rows until none is left, and prints each one that it took and each receipt that was accepted.
 *
 * @module
 */
import { openQueue } from "../../lib/sinks/queue.ts";

const [file, name, leaseMs] = Deno.args;
await using queue = await openQueue(file!);
for (;;) {
  const rows = await queue.take({ count: 20, leaseMs: Number(leaseMs), consumer: name, maxAttempts: 100 });
  for (const { id, receipt, leased_until } of rows) print(`took ${id} ${receipt} ${leased_until}`);
  const { done } = await queue.ack(rows.map(({ receipt }) => receipt));
  for (const receipt of done) print(`done ${receipt}`);
  if (rows.length > 0) continue;
  const { pending, processing } = (await queue.stats()).rows;
  if (pending + processing === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}

/** Written in one piece, so that a kill does not cut it. */
function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
