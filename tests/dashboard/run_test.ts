import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { openBrowser, openPage } from "../support/browser.ts";
import { startCli } from "../support/child.ts";
import { startWatched, TOKEN, untilIs } from "../support/ops.ts";
import { run } from "../support/program.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const LIVE = ["jetstream", "--simulate", "-c", "all", "--batch-timeout", "50ms"];

const received = async (page: Page) =>
  Number((await page.locator("[data-testid=total-received] .value").textContent())!.replaceAll(",", ""));

/** Waits until more than so many events are shown, and says how many. */
const more = (page: Page, than: number) => untilIs(() => received(page), (shown) => shown > than, "new figures");

serviceTest(
  "W35, W36, W38: the page of a real run moves, survives its kill and follows the next one",
  ["chromium"],
  () =>
    inFolder(async (folder) => {
      await using browser = await openBrowser();
      const credentials = { httpCredentials: { username: "anybody", password: TOKEN } };
      const first = await startWatched(folder, LIVE);
      await using _first = first;
      const { page, faults } = await openPage(browser, `${first.url}/stats/html`, credentials);
      await page.locator("#chart canvas").waitFor().catch(async (error) => {
        throw new Error(`No chart: ${await page.locator("#note").textContent()}, ${faults.join(", ")}`, {
          cause: error,
        });
      });
      const before = await more(page, 0);
      await more(page, before + 2000);
      assert.match(await page.locator("#health").innerText(), /^Healthy$/);
      assert.match(await page.locator("#sources tbody").innerText(), /simulate/);
      assert.deepEqual(faults, []);

      const top = await run(folder, ["top", new URL(first.url).host, "--json"], { BSKYINGEST_LISTEN_TOKEN: TOKEN });
      assert.equal(top.code, 0, top.stderr.join("\n"));
      assert.equal(JSON.parse(top.stdout[0]!).status.connected, true);

      first.child.kill("SIGKILL");
      await page.getByText("No connection to bskyingest").waitFor();
      const { port } = new URL(first.url);
      await using second = startCli([...LIVE, "--listen", port], {
        cwd: folder,
        env: { BSKYINGEST_LISTEN_TOKEN: TOKEN },
      });
      await second.stderr.waitFor("Operations server on ");
      await untilIs(() => page.locator("#note").textContent(), (text) => text === "", "the end of the note");
      await more(page, before);
      second.kill("SIGTERM");
      assert.equal((await second.status).code, 0);
    }),
);
