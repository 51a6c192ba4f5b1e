import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { sharedElasticsearch, startElasticsearch } from "../support/elasticsearch.ts";
import { A, createLike, deleteLike, LIKE, like, line, placeIn, replay } from "../support/elasticsearch_replay.ts";
import { ended, parseSummary, run, summaryOf } from "../support/program.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const NEEDS: readonly ServiceName[] = ["elasticsearch"];
const shared = sharedElasticsearch();

serviceTest(
  "E24: one poison document in 10,000 is dead with the server's reason; retry after mending empties it",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const { es } = shared;
      // Somebody's own mapping, which takes times in one form only.
      const created_at = { type: "date", format: "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'" };
      await es.json("PUT", `/${prefix}likes_v1`, {
        mappings: { dynamic: false, properties: { created_at } },
        aliases: { [`${prefix}likes`]: {} },
      });
      const lines = Array.from({ length: 10_000 }, (_, i) => createLike(i, `r${i}`));
      lines[4321] = line(4321, LIKE, { ...like, createdAt: "2025-10-30T12:34:56+02:00" }, "odd");
      const file = `${folder}/likes.jsonl`;
      await Deno.writeTextFile(file, lines.join("\n"));
      const command = ["replay", file, "--sink", "elasticsearch", "--documents", "likes", ...args];
      const summary = await summaryOf(folder, command, 3);
      const { written, rejected, dead_lettered } = summary;
      assert.deepEqual({ written, rejected, dead_lettered }, { written: 9999, rejected: 1, dead_lettered: 1 });
      assert.equal(await es.count(`${prefix}likes`), 9999);

      const listed = await run(folder, ["dead-letter", "list", "--json"]);
      assert.equal(listed.stdout.length, 1);
      const { stage, reason, error, status, action, doc_id, index, caused_by } = JSON.parse(listed.stdout[0]!);
      assert.deepEqual({ stage, reason, status, action, doc_id, index }, {
        stage: "elasticsearch",
        reason: "document_parsing_exception",
        status: 400,
        action: "index",
        doc_id: `at://${A}/${LIKE}/odd`,
        index: `${prefix}likes`,
      });
      assert.match(`${error} ${caused_by}`, /failed to parse field \[created_at\].*2025-10-30T12:34:56\+02:00/);

      await es.json("PUT", `/${prefix}likes_v1/_mapping`, {
        properties: { created_at: { ...created_at, ignore_malformed: true } },
      });
      const retried = await summaryOf(folder, ["dead-letter", "retry", "--documents", "likes", ...args]);
      assert.equal(retried.written, 1);
      assert.equal(await es.count(`${prefix}likes`), 10_000);
      assert.deepEqual((await run(folder, ["dead-letter", "list", "--json"])).stdout, []);
    }),
);

serviceTest(
  "E26: bulks above the server's limit go out in smaller ones, compressed too",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      await using es = await startElasticsearch({ settings: { "http.max_content_length": "64kb" } });
      const lines = Array.from({ length: 1000 }, (_, i) => createLike(i, `r${i}`));
      for (const [prefix, more] of [["plain-", []], ["gzip-", ["--elasticsearch-gzip"]]] as const) {
        const args = ["--elasticsearch-url", es.url, "--index-prefix", prefix, "--batch-size", "1000", ...more];
        assert.equal((await replay(folder, lines, args)).written, 1000);
        assert.equal(await es.count(`${prefix}likes`), 1000);
      }
    }),
);

serviceTest(
  "real back-pressure: a server that refuses most of what comes at once gets everything in the end",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const settings = { "thread_pool.write.size": "1", "thread_pool.write.queue_size": "1" };
      await using es = await startElasticsearch({ settings });
      const lines = Array.from({ length: 5000 }, (_, i) => createLike(i, `r${i}`));
      const args = ["--elasticsearch-url", es.url, "--concurrency", "30"];
      const { written, retried } = await replay(folder, lines, args);
      assert.equal(written, 5000);
      assert.equal(await es.count("likes"), 5000);
      console.log(`${retried} attempts were repeated`);
    }),
);

for (const setting of ["index.blocks.write", "index.blocks.read_only_allow_delete"]) {
  serviceTest(
    `E28: ${setting} pauses the run with a warning, and it goes on when the block is lifted`,
    NEEDS,
    () =>
      inFolder(async (folder) => {
        const { args, prefix } = placeIn(shared);
        await replay(folder, [createLike(0)], args);
        const block = (settings: object) => shared.es.json("PUT", `/${prefix}likes_v1/_settings`, settings);
        await block({ [setting]: true });
        const file = `${folder}/more.jsonl`;
        await Deno.writeTextFile(file, [createLike(1, "a"), deleteLike(2)].join("\n"));
        const command = ["replay", file, "--sink", "elasticsearch", "--json", ...args];
        await using child = startCli(command, { cwd: folder });
        await child.stderr.waitFor(/warning .*(block|read-only)/i);
        assert.equal(await shared.es.count(`${prefix}likes`), 1);
        await block({ [setting]: null });
        const { written, rejected, retried } = parseSummary(await ended(child));
        assert.deepEqual({ written, rejected }, { written: 2, rejected: 0 });
        assert(retried > 0);
        assert.deepEqual([...(await shared.es.documents(`${prefix}likes`)).keys()], [`at://${A}/${LIKE}/a`]);
      }),
  );
}
