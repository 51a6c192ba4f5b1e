import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { readCompressed } from "../support/compressed.ts";
import { askedFor, run, serve, summaryOf, until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { tempFolder } from "../support/temp.ts";

const SIMULATE = ["jetstream", "--simulate", "-c", "all", "--sink", "ndjson"];

/** The sequence numbers of the events in a file. */
function numbersIn(text: string): number[] {
  assert(text.endsWith("\n"));
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line).cursor);
}

Deno.test("L17: an unfinished last line is cut off before more is appended", async () => {
  using folder = tempFolder();
  const out = `${folder.path}/x.ndjson`;
  const args = [...SIMULATE, "--out", out, "-n", "100"];
  await summaryOf(folder.path, args);
  const whole = Deno.readTextFileSync(out);
  Deno.writeTextFileSync(out, whole.slice(0, 50), { append: true });
  const { code, stderr } = await run(folder.path, args);
  assert.equal(code, 0);
  assert.match(stderr.join("\n"), /Cutting 50 unfinished bytes off the end of .*x\.ndjson/);
  const text = Deno.readTextFileSync(out);
  assert(text.startsWith(whole));
  assert.deepEqual(numbersIn(text), Array.from({ length: 200 }, (_, i) => i + 1));
});

for (const extension of ["", ".gz", ".zst"]) {
  Deno.test(`L17: .ndjson${extension} is whole after kill -9 and a second run, nothing is missing`, async () => {
    using folder = tempFolder();
    const random = randomFrom(startNumber(`kill -9 while .ndjson${extension} is written`));
    await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--rate", "5000"]);
    const out = `${folder.path}/x.ndjson${extension}`;
    const args = ["jetstream", "--url", server.v1, "-c", "all", "--sink", "ndjson", "--out", out];
    await summaryOf(folder.path, [...args, "-n", "1", "--cursor", "1"]);
    for (let kill = 0; kill < 5; kill++) {
      const { size } = Deno.statSync(out);
      await using child = startCli([...args, "--batch-timeout", "20ms", "--checkpoint-interval", "50ms"], {
        cwd: folder.path,
      });
      await until(() => Deno.statSync(out).size > size, "more in the file");
      await child.killWithin(250, random);
    }
    const last = await run(folder.path, [...args, "-n", "100"]);
    assert.equal(last.code, 0, last.stderr.join("\n"));
    assert.notDeepEqual(askedFor(last), ["from 1"], "positions were saved on the way");
    // What was written after the last save comes again; every event is there.
    const numbers = new Set(numbersIn(extension === "" ? Deno.readTextFileSync(out) : await readCompressed(out)));
    assert.equal(numbers.size, Math.max(...numbers));
  });
}
