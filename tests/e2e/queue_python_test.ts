import assert from "node:assert/strict";
import { ROOT } from "../support/paths.ts";
import { oldQueue, queueWith, sql } from "../support/queue.ts";
import { inFolder } from "../support/temp.ts";

const SCRIPT = `${ROOT}/scripts/examples/consume_queue.py`;

function hasPython(): boolean {
  try {
    return new Deno.Command("python3", { args: ["-c", "import sqlite3"], stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const PYTHON = hasPython();

/** Registers a test that runs the example; without Python it is ignored, and its name says why. */
function pythonTest(name: string, fn: (folder: string) => Promise<void>): void {
  Deno.test({
    name: PYTHON ? name : `${name} (skipped: no python3 with sqlite3)`,
    ignore: !PYTHON,
    fn: () => inFolder(fn),
  });
}

/** What it counted of each collection. */
async function consume(file: string): Promise<Map<string, number>> {
  const { success, stdout, stderr } = await new Deno.Command("python3", { args: [SCRIPT, file] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => {
    const [count, ...collection] = line.trim().split(" ");
    return [collection.join(" "), Number(count)];
  }));
}

pythonTest(
  "the Python example takes every record once, also from several at a time and while rows are added",
  async (folder) => {
    const file = `${folder}/q.db`;
    await using queue = await queueWith(file, 300);
    const consumers = [consume(file), consume(file), consume(file)];
    assert.equal((await queue.take({ count: 5 })).length, 5);
    const counts = (await Promise.all(consumers)).map((each) => each.get("app.bsky.feed.like") ?? 0);
    assert.equal(counts.reduce((sum, count) => sum + count, 0), 295);
    assert.deepEqual(
      sql(file, "SELECT id, status FROM queue"),
      [1, 2, 3, 4, 5].map((id) => ({ id, status: "processing" })),
    );
  },
);

pythonTest("the Python example reads the queue of the MET connector, and one that is empty", async (folder) => {
  oldQueue(`${folder}/old.db`, 3);
  assert.deepEqual([...await consume(`${folder}/old.db`)], [["(no collection)", 3]]);
  assert.deepEqual([...await consume(`${folder}/old.db`)], []);
});
