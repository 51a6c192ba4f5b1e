import assert from "node:assert/strict";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { startCli } from "../support/child.ts";
import { ended, run, serve, until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { startReceiver } from "../support/receiver.ts";
import { inFolder } from "../support/temp.ts";

const EVENTS = 30_000;
/** Deliveries that may not be written down yet, and requests that may be under way. */
const NOT_NOTED = 1000, LANES = 8;

/** A receiver that takes its time, so that there is something left for most of the kills. */
const CASES = [{ kills: 50, batch: 1, answerMs: 6 }, { kills: 10, batch: 20, answerMs: 50 }];

for (const { kills, batch, answerMs } of CASES) {
  Deno.test(`W13: killed ${kills} times, ${batch} a request: the receiver has every event, and few of them twice`, () =>
    inFolder(async (folder) => {
      const start = startNumber("W13");
      const random = randomFrom(start);
      const context = `BSKYINGEST_SEED=${start}`;
      await using server = await serve(folder, ["--count", String(EVENTS), "--rate", "0"]);
      await using receiver = await startReceiver(async (_, n) => {
        await new Promise((resolve) => setTimeout(resolve, answerMs));
        return n % 50 === 0 ? 503 : 200;
      });
      const args = [
        ...["jetstream", "--url", server.v2, "-c", "all", "--kinds", "commit"],
        ...["--webhook-url", receiver.url, "--webhook-allow-private", "--webhook-batch", String(batch)],
        ...["--webhook-retry-schedule", "50ms", "--webhook-max-attempts", "0"],
      ];
      const store = generatedEvents({ epoch: 1e15 });
      const commits = Array.from({ length: EVENTS }, (_, i) => store.read(i + 1, "v1", undefined)!)
        .filter((line) => JSON.parse(line).kind === "commit").length;
      // It makes a position that the others go on from: an option would tell each of them where to begin.
      const first = await run(folder, [...args, "--cursor", "1", "-n", "1"]);
      assert.equal(first.code, 0, first.stderr.join("\n"));
      const seen = new Set<string>();
      let requests = 0;
      /** How many of the events that came since the last look had come before. */
      const look = () => {
        const events = receiver.taken.slice(requests).flatMap(({ body }) => [JSON.parse(body)].flat());
        requests = receiver.taken.length;
        const before = seen.size;
        for (const event of events) seen.add(JSON.stringify(event));
        return events.length - (seen.size - before);
      };
      look();
      for (let kill = 0; kill < kills; kill++) {
        await using child = startCli(args, { cwd: folder });
        await child.killWithin(2500, random);
        const again = look();
        assert(again <= NOT_NOTED + LANES * batch, `${again} events came again, ${context}`);
      }
      console.log(`${commits - seen.size} of ${commits} are left after the last kill`);
      await using last = startCli(args, { cwd: folder });
      await last.stderr.waitFor("Connected to ");
      await until(() => {
        look();
        return seen.size === commits;
      }, `all events, ${context}`);
      last.kill("SIGTERM");
      const { code, stderr } = await ended(last);
      assert.equal(code, 0, stderr.join("\n"));
    }));
}
