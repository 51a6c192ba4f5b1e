import assert from "node:assert/strict";
import { type Child, startCli } from "../support/child.ts";
import { type Elasticsearch, startElasticsearch } from "../support/elasticsearch.ts";
import { ended, parseSummary, serve } from "../support/program.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

/** Fewer in CI, where the machine does this among much else. */
const TOTAL = Deno.env.get("CI") ? 50_000 : 200_000;
/** How much memory a server that is away may cost, in bytes. */
const MORE_MEMORY = 100e6;

/** Waits until the index has at least `count` documents, whatever else goes on. */
async function reach(es: Elasticsearch, child: Child, count: number): Promise<void> {
  let ended = false;
  child.status.then(() => ended = true);
  while (await es.count("likes") < count) {
    assert(!ended, `it ended before ${count} documents were there: ${child.stderr.lines.slice(-5).join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Answers how much the peak memory of a child has grown since then, in bytes; 0 where that cannot be told. */
function growthOf(child: Child): () => number {
  const before = child.peakRssBytes() ?? 0;
  return () => (child.peakRssBytes() ?? before) - before;
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

serviceTest(
  `E32, E33: a server that is frozen, then killed and restarted in the middle of ${TOTAL} events loses none; memory stays flat`,
  ["elasticsearch"],
  () =>
    inFolder(async (folder) => {
      await using es = await startElasticsearch();
      await using server = await serve(folder, ["--epoch", "2026-01-01"]);
      const args = ["jetstream", "--url", server.v1, "--cursor", "0", "--kinds", "commit", "--ops", "create"];
      const to = ["--elasticsearch-url", es.url, "--elasticsearch-timeout", "3s", "--batch-size", "500", "--json"];
      await using child = startCli([...args, "-n", String(TOTAL), ...to], { cwd: folder });

      await reach(es, child, TOTAL * 0.2);
      // How much a fast run takes is not asked here, so only the time without a server counts.
      const frozen = growthOf(child);
      await es.freeze();
      await child.stderr.waitFor(/no answer within 3 s/);
      const whileFrozen = frozen();
      await es.thaw();
      await reach(es, child, TOTAL * 0.4);

      const away = growthOf(child);
      await es.kill();
      await child.stderr.waitFor(/Cannot reach/);
      await seconds(2);
      const whileAway = away();
      await es.restart();

      const { written, rejected, dead_lettered, unsettled, retried } = parseSummary(await ended(child));
      assert.deepEqual({ written, rejected, dead_lettered, unsettled }, {
        written: TOTAL,
        rejected: 0,
        dead_lettered: 0,
        unsettled: 0,
      });
      assert(retried > 0);
      assert.equal(await es.count("likes"), TOTAL);
      const mb = (bytes = 0) => Math.round(bytes / 1e6);
      const grown = `peak memory grew by ${mb(whileFrozen)} MB while it was frozen and ${
        mb(whileAway)
      } MB while it was away`;
      console.log(`${grown}; in the end it was ${mb(child.peakRssBytes())} MB`);
      assert(whileFrozen + whileAway < MORE_MEMORY, grown);
    }),
);
