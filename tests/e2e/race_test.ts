import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { assertMisuse, run, serve, summaryOf } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

/** How many events are stored, and how many different ones. */
type Count = (folder: string) => { readonly stored: number; readonly distinct: number };

const SINKS: Readonly<Record<"sqlite" | "ndjson", { readonly args: readonly string[]; readonly count: Count }>> = {
  sqlite: {
    args: ["--db", "x.db"],
    count(folder) {
      using db = new DatabaseSync(`${folder}/x.db`, { readOnly: true });
      const { stored, different } = db.prepare(
        "SELECT count(*) AS stored, count(DISTINCT did || kind || time_us) AS different FROM events",
      ).get()!;
      return { stored: Number(stored), distinct: Number(different) };
    },
  },
  ndjson: {
    args: ["--sink", "ndjson", "--out", "x.ndjson"],
    count(folder) {
      const lines = Deno.readTextFileSync(`${folder}/x.ndjson`).trim().split("\n");
      // The line itself differs from host to host where a new server adds its sequence number.
      const ids = lines.map((line) => JSON.parse(line)).map(({ did, kind, time_us }) => `${did} ${kind} ${time_us}`);
      return { stored: lines.length, distinct: new Set(ids).size };
    },
  },
};

for (const [sink, { args, count }] of Object.entries(SINKS)) {
  Deno.test(`C9: from one host to several and back, ${sink}: each run goes on where the last one was`, async () => {
    using folder = tempFolder();
    const events = ["--epoch", "2026-01-01"];
    await using a = await serve(folder.path, events);
    await using b = await serve(folder.path, [...events, "--kind", "legacy"]);
    const hosts = [`ws://${a.host}`, `ws://${b.host}`] as const;
    const read = (n: number, ...how: string[]) =>
      summaryOf(folder.path, ["jetstream", "-c", "all", "-n", String(n), ...args, ...how]);
    await read(300, "-i", hosts[0], "--cursor", "0");
    await read(1300, "-i", hosts[0], "-i", hosts[1], "--race");
    await read(300, "-i", hosts[1]);
    const last = await read(1300, "-i", hosts[0], "-i", hosts[1], "--race");
    await read(300, "-i", hosts[0]);
    assert.deepEqual(count(folder.path), { stored: 3500, distinct: 3500 });
    assert.deepEqual(Object.keys(last.race!).sort(), [a.host, b.host].sort());
    assert.equal(last.gaps, 0);
    const { code, stdout } = await run(folder.path, ["cursor", "show", ...args]);
    assert.equal(code, 0);
    const [common, ...keys] = stdout.map((line) => line.split(" ")[0]);
    assert.equal(common, "jetstream");
    // A host whose every event came too late for its position to be told before the end may have none yet.
    assert.notEqual(keys.length, 0);
    for (const key of keys) assert([a.host, b.host].includes(key!.slice("jetstream:".length)), String(key));
  });
}

Deno.test("C9: one host is nothing to race with: exit 2", async () => {
  using folder = tempFolder();
  for (
    const hosts of [["-i", "ws://127.0.0.1:1"], ["--url", "ws://127.0.0.1:1/subscribe"], ["-i", "h.example,h.example"]]
  ) {
    assertMisuse(await run(folder.path, ["jetstream", ...hosts, "--race"]), /^Cannot race with one host/);
  }
});
