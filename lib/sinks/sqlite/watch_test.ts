import assert from "node:assert/strict";
import { captureLog } from "../../../tests/support/log_records.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { fileWatch } from "./watch.ts";

Deno.test("a write-ahead log that grows too large is warned of once, and again when it comes back", async () => {
  await using log = await captureLog();
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  Deno.writeTextFileSync(path, "");
  let now = 0;
  const watch = fileWatch(path, { everyMs: 10, now: () => now, walLimit: 3 * 2 ** 20 });
  for (const mib of [4, 4, 5, 1, 4]) {
    Deno.writeFileSync(`${path}-wal`, new Uint8Array(mib * 2 ** 20));
    now += 10;
    watch.tick();
  }
  assert.equal(log.lines.length, 2);
  assert.match(log.lines[0]!, /^warning: .*x\.db-wal has grown to 4 MiB/);
});

Deno.test("looks are not more frequent than asked, also when the clock is set back", () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  Deno.writeTextFileSync(path, "");
  let now = 1_000_000;
  const watch = fileWatch(path, { everyMs: 10_000, now: () => now });
  Deno.removeSync(path);
  now += 9_999;
  watch.tick();
  now -= 500_000;
  assert.throws(
    () => watch.tick(),
    /^FatalError: Cannot write to .*: it was removed during the run\. What is stored is where/,
  );
});
