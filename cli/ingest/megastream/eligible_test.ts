import assert from "node:assert/strict";
import type { ListedFile } from "../../../lib/sources/megastream/files.ts";
import { megastreamName, megastreamTime } from "../../../lib/sources/megastream/name.ts";
import { openProcessedFiles } from "../../../lib/state/processed_files.ts";
import { selectFiles, timeBound, vanishedFiles } from "./eligible.ts";

const T = Date.parse("2025-10-21T07:00:00Z");
const NONE = { rows: 0, rejected: 0, skipped: 0 };
const OPTIONS = { boundUs: undefined, maxAttempts: 3, retryFailed: false, intervalMs: 60_000, now: T };

function file(n: number, size = 1): ListedFile {
  const timeUs = (T + n * 300_000) * 1000;
  return { name: megastreamName(timeUs), timeUs, size, modifiedMs: T };
}

const openState = () => openProcessedFiles(undefined, { timeOf: megastreamTime, nameOf: megastreamName, now: () => T });
const namesOf = (files: readonly ListedFile[]) => files.map(({ name }) => name);

Deno.test("M54: the latest of the bounds counts; without any there is none", () => {
  assert.equal(timeBound({}, T), undefined);
  assert.equal(timeBound({ noRewind: false }, T), undefined);
  assert.equal(timeBound({ since: 5 }, T), 5);
  assert.equal(timeBound({ maxRewindMs: 3_600_000 }, T), (T - 3_600_000) * 1000);
  assert.equal(timeBound({ noRewind: true }, T), T * 1000);
  assert.equal(timeBound({ since: 5, maxRewindMs: 60_000 }, T), (T - 60_000) * 1000);
  assert.equal(timeBound({ since: T * 1000 - 1, maxRewindMs: 60_000 }, T), T * 1000 - 1);
  assert.equal(timeBound({ since: T * 1000 - 1, maxRewindMs: 60_000, noRewind: true }, T), T * 1000);
});

Deno.test("M47: each file that is not processed is eligible, whatever newer ones are; M54: not before the bound", async () => {
  const state = await openState();
  await (await state.begin(file(3))).processed(NONE);
  const listed = [1, 2, 3, 4].map((n) => file(n));
  const chosen = selectFiles(listed, { ...OPTIONS, state });
  assert.deepEqual(namesOf(chosen.eligible), namesOf([file(1), file(2), file(4)]));
  const bounded = selectFiles(listed, { ...OPTIONS, state, boundUs: file(2).timeUs });
  assert.deepEqual(namesOf(bounded.eligible), namesOf([file(2), file(4)]));
  assert.deepEqual(namesOf(bounded.ignored), namesOf([file(1)]));
});

Deno.test("M48: bad files wait, or are given up; M59: one that has changed is new", async () => {
  const state = await openState();
  for (const [n, attempts] of [[1, 1], [2, 3]] as const) {
    for (let i = 0; i < attempts; i++) await (await state.begin(file(n))).failed("bad_crc: x");
  }
  const chosen = selectFiles([file(1), file(2), file(3)], { ...OPTIONS, state });
  assert.deepEqual(
    [chosen.eligible, chosen.waiting, chosen.givenUp].map(namesOf),
    [3, 1, 2].map((n) => [file(n).name]),
  );
  const changed = selectFiles([file(1, 2), file(2, 2)], { ...OPTIONS, state });
  assert.deepEqual(namesOf(changed.eligible), namesOf([file(1), file(2)]));
  const again = selectFiles([file(1), file(2)], { ...OPTIONS, state, retryFailed: true });
  assert.deepEqual(namesOf(again.eligible), namesOf([file(1), file(2)]));
});

Deno.test("failed and partial files that should be listed and are not have vanished", async () => {
  const state = await openState();
  for (const n of [1, 2, 3]) await state.begin(file(n));
  await (await state.begin(file(4))).processed(NONE);
  assert.deepEqual(vanishedFiles([file(2)], state.unfinished(), undefined), [file(1).name, file(3).name]);
  assert.deepEqual(vanishedFiles([file(3)], state.unfinished(), file(2).timeUs), [file(2).name]);
});
