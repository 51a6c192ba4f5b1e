import assert from "node:assert/strict";
import { brokenSnapshot, busySnapshot, idleSnapshot, NOW } from "../../tests/support/snapshots.ts";
import { pictureOf, type PictureOptions, textOf } from "./picture.ts";
import { cellsOf } from "./text_width.ts";

const options: PictureOptions = { width: 80, height: 50, rates: [], now: NOW };

function picture(snapshot: ReturnType<typeof busySnapshot>, more: Partial<PictureOptions> = {}): string[] {
  return textOf(pictureOf(snapshot, { ...options, ...more }), false);
}

Deno.test("top: a live stream, all well", async (t) => {
  await t.assertSnapshot(picture(busySnapshot()).join("\n"));
});

Deno.test("top: everything that is wrong is said in words, the most urgent first", async (t) => {
  await t.assertSnapshot(picture(brokenSnapshot(), { width: 100 }).join("\n"));
});

Deno.test("T23: no line is wider and no picture higher than the terminal, down to 40 columns", () => {
  for (const snapshot of [busySnapshot(), idleSnapshot(), brokenSnapshot()]) {
    for (const width of [40, 80, 200]) {
      for (const height of [5, 24, 60]) {
        const lines = picture(snapshot, { width, height, rates: [{ received: 1, written: 1 }] });
        assert(lines.length <= height, `${lines.length} lines`);
        for (const line of lines) assert(cellsOf(line) <= width, line);
      }
    }
  }
});

Deno.test("top: a bar for each second of the last minute, as high as its share of the highest", () => {
  const rates = Array.from({ length: 70 }, (_, second) => ({ received: second + 1, written: 0 }));
  const [received = "", written = ""] = picture(busySnapshot(), { width: 140, rates }).filter((line) =>
    line.includes("in all")
  );
  assert.equal(received.match(/[▁-█]/gu)?.length, 60);
  assert(received.includes("▇█"));
  assert.equal(written.match(/▁/gu)?.length, 60);
});

Deno.test("top: collections fill what is left, and say how many there are besides", () => {
  const lines = picture(busySnapshot(), { height: 24 });
  assert(lines.some((line) => /^\d+ more$/.test(line)), lines.join("\n"));
  assert(lines.includes("Recent errors"));
});

Deno.test("top: colours only where they are asked for", () => {
  const lines = pictureOf(brokenSnapshot(), options);
  assert(!textOf(lines, false).join("").includes("\x1b"));
  assert(textOf(lines, true).some((line) => line.startsWith("\x1b[31m■")));
});
