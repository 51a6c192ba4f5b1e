import assert from "node:assert/strict";
import axe from "axe-core";
import type { Page } from "playwright-core";
import type { Snapshot } from "../../lib/ops/snapshot.ts";
import { openBrowser, openPage } from "../support/browser.ts";
import { serveDashboard } from "../support/dashboard_server.ts";
import { untilIs } from "../support/ops.ts";
import { ROOT } from "../support/paths.ts";
import { ALL, takeScreenshots } from "../support/screenshots.ts";
import { serviceTest } from "../support/services.ts";
import { brokenSnapshot, busySnapshot, idleSnapshot, NOW } from "../support/snapshots.ts";

/** The same run, so many seconds later and with so many more events. */
function later(snapshot: Snapshot, seconds: number, more: number): Snapshot {
  const { stats, health } = snapshot;
  const timestamp = new Date(NOW + seconds * 1000).toISOString();
  return {
    ...snapshot,
    stats: { ...stats, totalEvents: stats.totalEvents + more, totalReceived: stats.totalReceived + more },
    health: { ...health, timestamp },
    rates: [...snapshot.rates.slice(1), [NOW / 1000 + seconds, 1500, 1500]],
  };
}

const value = (page: Page, id: string) => page.locator(`[data-testid=${id}] .value`);

/** Waits until the page was brought up to date from the stream: times are the browser's then. */
async function live(page: Page): Promise<void> {
  await page.locator("#chart canvas").waitFor();
}

serviceTest("W35, W36: figures change by themselves, and nothing is asked of anybody else", ["chromium"], async () => {
  await using browser = await openBrowser();
  const busy = busySnapshot();
  await using server = serveDashboard(busy);
  const { page, faults } = await openPage(browser, server.url);
  await live(page);
  assert.equal(await page.title(), "Jetstream Statistics");
  assert.equal(await value(page, "total-events").textContent(), "124,804,468");
  const before = await page.evaluate<string>("document.querySelector('#chart canvas').toDataURL()");
  server.show(later(busy, 1, 1532));
  await page.getByText("124,806,000").waitFor({ timeout: 2000 });
  assert.notEqual(await page.evaluate<string>("document.querySelector('#chart canvas').toDataURL()"), before);
  await page.getByRole("link", { name: "Refresh" }).click();
  await live(page);
  assert.equal(await value(page, "total-events").textContent(), "124,806,000");
  assert.deepEqual(faults, []);
});

serviceTest(
  "W35: without JavaScript the page has the same figures, a chart, and loads itself again",
  ["chromium"],
  async () => {
    await using browser = await openBrowser();
    const busy = busySnapshot();
    await using server = serveDashboard(busy);
    const { page, faults } = await openPage(browser, server.url, { javaScriptEnabled: false });
    assert.equal(await value(page, "total-events").textContent(), "124,804,468");
    assert.equal(await page.locator("#chart polyline").count(), 2);
    assert.equal(await page.locator("noscript meta[http-equiv=refresh]").getAttribute("content"), "30");
    server.show(later(busy, 1, 1532));
    await page.waitForEvent("load", { timeout: 40_000 });
    assert.equal(await value(page, "total-events").textContent(), "124,806,000");
    assert.deepEqual(faults, []);
  },
);

serviceTest(
  "the page that the browser keeps up to date is the one that the server sends, but for the time of the place",
  ["chromium"],
  async () => {
    await using browser = await openBrowser();
    for (const snapshot of [idleSnapshot(), brokenSnapshot(), busySnapshot()]) {
      await using server = serveDashboard(busySnapshot());
      const moved = await openPage(browser, server.url, { timezoneId: "UTC" });
      await live(moved.page);
      server.show({ ...snapshot, rates: [] });
      await moved.page.locator(
        `[data-testid=total-received] >> text="${snapshot.stats.totalReceived.toLocaleString("en-US")}"`,
      )
        .waitFor();
      await using other = serveDashboard(snapshot);
      const plain = await openPage(browser, other.url, { javaScriptEnabled: false });
      // Only what is not drawn by uPlot, and without the rates, of which the stream sends what is new.
      const text = async (page: Page) =>
        (await page.locator(".cards, .panel:not(#rates), #reasons, h1").allInnerTexts()).join("\n").replaceAll(
          " UTC",
          "",
        );
      assert.equal(await text(moved.page), await text(plain.page));
      assert.deepEqual([...moved.faults, ...plain.faults], []);
    }
  },
);

serviceTest("what is wrong comes and goes, and the chart stays", ["chromium"], async () => {
  await using browser = await openBrowser();
  const busy = busySnapshot(), broken = brokenSnapshot();
  const wrong = { ...busy, health: broken.health };
  await using server = serveDashboard(wrong);
  const { page, faults } = await openPage(browser, server.url);
  const reasons = page.locator("#reasons");
  await live(page);
  await page.evaluate("document.querySelector('#chart canvas').id = 'first'");
  assert.equal(await reasons.count(), 1);
  for (const [at, snapshot, count] of [[1, busy, 0], [2, wrong, 1], [3, busy, 0]] as const) {
    server.show(later(snapshot, at, at));
    await untilIs(() => reasons.count(), (n) => n === count, "the list of what is wrong");
    await page.locator("#chart canvas#first").waitFor();
    assert.equal(await page.locator("main > *").count(), 3 + count);
    assert.equal(
      await page.locator("[id]").evaluateAll((all) => all.length - new Set(all.map(({ id }) => id)).size),
      0,
    );
  }
  assert.deepEqual(faults, []);
});

serviceTest("W34: hostile names and texts are only texts", ["chromium"], async () => {
  await using browser = await openBrowser();
  const nasty = "<img src=x onerror=alert(1)>", bidi = "evil\u202Egnp.exe";
  const broken = brokenSnapshot();
  const [error] = broken.stats.details.errors;
  const poisoned: Snapshot = {
    ...broken,
    stats: {
      ...broken.stats,
      eventCounts: { [nasty]: 5, [bidi]: 4, ["__proto__"]: 3 },
      details: { ...broken.stats.details, errors: [{ ...error!, message: "</script><script>alert(2)</script>" }] },
    },
  };
  await using server = serveDashboard(poisoned);
  const { page, faults } = await openPage(browser, server.url);
  await live(page);
  server.show(later(poisoned, 1, 0));
  await page.getByText("20:04:32").or(page.getByText("19:04:32")).first().waitFor();
  assert.deepEqual(await page.locator("#by-collection code").allTextContents(), [
    nasty,
    "evil\\u202egnp.exe",
    "__proto__",
  ]);
  assert.match(await page.locator("#errors tbody").innerText(), /<\/script><script>alert\(2\)<\/script>/);
  assert.equal(await page.locator("img, #view script").count(), 0);
  assert.deepEqual(faults, []);
});

serviceTest(
  "W37: no serious finding of axe, no sideways scrolling from 320 px on, in light and dark",
  ["chromium"],
  async () => {
    await using browser = await openBrowser();
    for (const snapshot of [busySnapshot(), idleSnapshot(), brokenSnapshot()]) {
      await using server = serveDashboard(snapshot);
      for (const colorScheme of ["light", "dark"] as const) {
        for (const width of [320, 1440]) {
          const { page } = await openPage(browser, server.url, { viewport: { width, height: 900 }, colorScheme });
          await live(page);
          await page.locator("summary").click();
          assert(await page.evaluate<number>("document.documentElement.scrollWidth") <= width, `${width} px`);
          await page.evaluate(axe.source);
          const { violations } = await page.evaluate<axe.AxeResults>("axe.run()");
          const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
          assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`), []);
          await page.context().close();
        }
      }
    }
  },
);

serviceTest(
  "W37: the keyboard reaches everything, the focus is seen and survives new figures",
  ["chromium"],
  async () => {
    await using browser = await openBrowser();
    const busy = busySnapshot();
    await using server = serveDashboard(busy);
    const { page } = await openPage(browser, server.url);
    await live(page);
    const focused = () => page.evaluate<string>("document.activeElement.textContent.slice(0, 18)");
    const order: string[] = [];
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press("Tab");
      order.push(await focused());
      const outline = await page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle");
      assert.equal(outline, "solid");
    }
    assert.deepEqual([order[0], order[1]], ["Refresh", "The same by minute"]);
    assert.match(order[2]!, /^Commit events by/);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    server.show(later(busy, 1, 1532));
    await page.getByText("124,806,000").waitFor();
    assert.equal(await focused(), "The same by minute");
    assert.equal(await page.locator("details[open] table").count(), 1);
  },
);

serviceTest("W38: a server that goes away is noted, one that comes back is followed, with its own history", [
  "chromium",
], async () => {
  await using browser = await openBrowser();
  const busy = busySnapshot();
  let port = 0;
  await using opened = await (async () => {
    await using server = serveDashboard(busy);
    port = server.port;
    const { page } = await openPage(browser, server.url);
    await live(page);
    assert.equal(await page.locator("#note").textContent(), "");
    return Object.assign(page, { [Symbol.asyncDispose]: () => page.context().close() });
  })();
  await opened.getByText("No connection to bskyingest").waitFor();
  await using again = serveDashboard({ ...later(busy, 60, 532), rates: [[NOW / 1000 + 60, 5, 5]] }, port);
  await opened.getByText("124,805,000").waitFor();
  assert.equal(await opened.locator("#note").textContent(), "");
  assert.equal(again.listeners, 1);
  await opened.locator("summary").click();
  assert.equal(await opened.locator("details tbody tr").count(), 1, "the minutes of the server before are gone");
});

serviceTest("a tab that nobody sees draws nothing, and is up to date when it is seen", ["chromium"], async () => {
  await using browser = await openBrowser();
  const busy = busySnapshot();
  await using server = serveDashboard(busy);
  const { page } = await openPage(browser, server.url);
  await live(page);
  const hide = (hidden: boolean) =>
    page.evaluate(`Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
      window.seen = 0; new EventSource("events").addEventListener("snapshot", () => window.seen++);
      document.dispatchEvent(new Event("visibilitychange"))`);
  await hide(true);
  server.show(later(busy, 1, 1532));
  await untilIs(() => page.evaluate<number>("window.seen"), (seen) => seen > 0, "a message to the tab");
  assert.equal(await value(page, "total-events").textContent(), "124,804,468");
  await hide(false);
  assert.equal(await value(page, "total-events").textContent(), "124,806,000");
});

serviceTest("screenshots of every state, in dist/screenshots", ["chromium"], async () => {
  await using browser = await openBrowser();
  const files = await takeScreenshots(browser, `${ROOT}/dist/screenshots`, ALL);
  for (const file of files) assert((await Deno.stat(file)).size > 10_000, file);
});
