import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { sharedElasticsearch } from "../support/elasticsearch.ts";
import { createLike, placeIn } from "../support/elasticsearch_replay.ts";
import { summaryOf } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const KILLS = 10, TOTAL = 60_000;
/** A run needs the first of these milliseconds to begin, and more than the second to end. */
const WITHIN_MS = [500, 2500] as const;

const shared = sharedElasticsearch();

serviceTest(
  `kill -9 at ${KILLS} random moments into Elasticsearch: nothing lost, nothing twice`,
  ["elasticsearch"],
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const file = `${folder}/likes.jsonl`;
      await Deno.writeTextFile(file, Array.from({ length: TOTAL }, (_, i) => `${createLike(i, `r${i}`)}\n`).join(""));
      const command = ["replay", file, "--sink", "elasticsearch", "--documents", "likes", ...args];
      const random = randomFrom(startNumber("kill -9 into Elasticsearch"));
      const seen: number[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        await using child = startCli(command, { cwd: folder });
        await new Promise((resolve) => setTimeout(resolve, WITHIN_MS[0]));
        await child.killWithin(WITHIN_MS[1] - WITHIN_MS[0], random);
        seen.push(await shared.es.count(`${prefix}likes`));
      }
      console.log(`documents after each kill: ${seen.join(" ")}`);
      const { received, written, rejected } = await summaryOf(folder, command);
      assert.deepEqual([written, rejected], [received, 0]);
      const documents = await shared.es.count(`${prefix}likes`);
      assert.equal(documents, TOTAL);
    }),
);
