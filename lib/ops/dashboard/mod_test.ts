import assert from "node:assert/strict";
import { brokenSnapshot, busySnapshot, idleSnapshot } from "../../../tests/support/snapshots.ts";
import type { Snapshot } from "../snapshot.ts";
import { ASSETS, renderPage } from "./mod.ts";

/** The text of a card, line by line. */
function card(page: string, id: string): string[] {
  const [, inside = ""] = new RegExp(`data-testid="${id}"[^>]*>(.*?)</div>`).exec(page) ?? [];
  return inside.split(/<[^>]*>/).filter((text) => text !== "");
}

function cards(page: string): (string | undefined)[] {
  return [...page.matchAll(/data-testid="([^"]*)"/g)].map(([, id]) => id);
}

const SIX = ["total-events", "total-received", "efficiency", "collections", "last-event", "last-processed"];
const OURS = ["lag", "rate", "in-flight", "dead-letters", "gaps", "reconnects"];

Deno.test("W25: the cards of a run, in the order of the specification; the queue only with a webhook", () => {
  const page = renderPage(busySnapshot());
  assert.deepEqual(cards(page), [...SIX, ...OURS]);
  assert.deepEqual(cards(renderPage(brokenSnapshot())), [...SIX, ...OURS, "queue"]);
  assert.deepEqual(card(page, "total-events"), ["Commit Events Processed", "124,804,468"]);
  assert.deepEqual(card(page, "total-received"), ["Total Events Received", "126,608,688"]);
  assert.deepEqual(card(page, "efficiency"), ["Processing Efficiency", "98.6%"]);
  assert.deepEqual(card(page, "collections"), ["Unique Collections", "18"]);
  assert.deepEqual(card(page, "last-event"), ["Last Event Time", "19:04:30", "2026-11-21 UTC"]);
  assert.deepEqual(card(page, "rate"), ["Events per Second", "1,204", "1,199 written"]);
});

Deno.test("W25: before the first event the efficiency is 0% and there is no last event", () => {
  const page = renderPage(idleSnapshot());
  assert.deepEqual(card(page, "efficiency"), ["Processing Efficiency", "0%"]);
  assert.deepEqual(card(page, "last-event"), ["Last Event Time", "N/A"]);
  for (const none of ["No commit events yet", "No warnings, no errors", "No open gaps", "No dead letters"]) {
    assert(page.includes(`<p class="none">${none}</p>`), none);
  }
});

Deno.test("trouble is said in words: reasons, hosts, breaker, gaps, dead letters", () => {
  const page = renderPage(brokenSnapshot());
  for (
    const words of [
      "Degraded",
      "Breaker of the webhook is open for 1,880 s",
      "Not connected",
      "paused by the sink",
      "connect ECONNREFUSED 203.0.113.7:443",
      "consumer_too_slow",
      "status_422",
      "breaker open",
      "nothing comes",
      "1 of 2 connected",
    ]
  ) assert(page.includes(words), words);
  assert.deepEqual(card(page, "queue"), ["Queue", "412,907", "breaker open"]);
});

Deno.test("W34: names and texts from outside are inert in the page's source", () => {
  const nasty = "<img src=x onerror=alert(1)>",
    ender = "</script><script>alert(2)</script>",
    bidi = "evil\u202Egnp.exe";
  const page = renderPage(poisoned(nasty, ender, bidi));
  assert(!page.includes("<img") && !page.includes("alert(2)</script>"));
  assert.deepEqual([...page.matchAll(/<script\b[^>]*>/g)].map(([tag]) => tag), [
    '<script src="../assets/uplot.js" defer="">',
    '<script src="../assets/dashboard.js" defer="">',
  ]);
  assert(page.includes("&lt;img src=x onerror=alert(1)&gt;"));
  assert(page.includes("evil\\u202egnp.exe") && !page.includes("\u202E"));
});

Deno.test("collections: most first, 200 of them, and how many there are", () => {
  const busy = busySnapshot();
  const eventCounts = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x.y.n${i}`, i + 1]));
  const page = renderPage({ ...busy, stats: { ...busy.stats, eventCounts, totalEvents: 45_150 } });
  const names = [...page.matchAll(/<code>(x\.y\.n\d+)<\/code>/g)].map(([, name]) => name);
  assert.equal(names.length, 200);
  assert.deepEqual([names[0], names[199]], ["x.y.n299", "x.y.n100"]);
  assert(page.includes("200 of 300"));
});

Deno.test("the table by minute has the means of the chart's figures", () => {
  const busy = busySnapshot();
  const page = renderPage({ ...busy, rates: [[60, 10, 8], [61, 20, 16], [120, 4, 2]] });
  const rows = [
    ...page.matchAll(/<tr><th scope="row">(00:0\d)<\/th><td class="number">([^<]*)<\/td><td class="number">([^<]*)</g),
  ];
  assert.deepEqual(rows.map((row) => row.slice(1)), [["00:02", "4", "2"], ["00:01", "15", "12"]]);
});

Deno.test("page and assets are below 150 kB together, each asset with a type and a tag of its own", () => {
  const encoder = new TextEncoder();
  const sizes = [...ASSETS.values()].map(({ body }) => encoder.encode(body).length);
  const all = sizes.reduce((sum, size) => sum + size, encoder.encode(renderPage(brokenSnapshot())).length);
  assert(all < 150_000, `${all} bytes`);
  assert.deepEqual([...ASSETS.keys()], ["/assets/dashboard.js", "/assets/dashboard.css", "/assets/uplot.js"]);
  assert.equal(new Set([...ASSETS.values()].map(({ etag }) => etag)).size, ASSETS.size);
  for (const { type, etag } of ASSETS.values()) {
    assert.match(type, /^text\/(javascript|css); charset=utf-8$/);
    assert.match(etag, /^"[0-9a-f]{16}"$/);
  }
});

/** A run whose every text from outside is hostile. */
function poisoned(nasty: string, ender: string, bidi: string): Snapshot {
  const broken = brokenSnapshot();
  const { stats, status } = broken;
  return {
    ...broken,
    stats: {
      ...stats,
      eventCounts: { [nasty]: 5, [bidi]: 4 },
      details: {
        ...stats.details,
        source: ender,
        errors: stats.details.errors.map((error) => ({ ...error, message: ender })),
        open_gaps: stats.details.open_gaps.map((gap) => ({ ...gap, detail: nasty, host: bidi })),
      },
    },
    status: { ...status, sources: status.sources.map((source) => ({ ...source, host: nasty, last_error: ender })) },
    dead_letters: broken.dead_letters.map((letter) => ({ ...letter, error: ender, collection: nasty })),
    health: { ...broken.health, reasons: [nasty] },
  };
}
