import assert from "node:assert/strict";
import { ConfigError } from "../../../lib/pipeline/errors.ts";
import { type BeginOptions, checkEnds, startOf } from "./start.ts";

const nothing: BeginOptions = {
  url: undefined,
  cursor: undefined,
  startTimestamp: undefined,
  noRewind: false,
  resume: false,
};
const cursor = '{"v":1,"host":"h","wire":"v1","time_us":1783175888390226}';

Deno.test("where a run begins: the strongest that is said, else the run that was killed, else live", () => {
  const cases: [expected: [live: boolean, text: RegExp], options: Partial<BeginOptions>, ended?: boolean][] = [
    [[false, /^beginning where it is told to/], { cursor: 5, noRewind: true, resume: true }],
    [[false, /^beginning where it is told to/], { startTimestamp: 5 }],
    [[false, /^beginning where it is told to/], { url: "ws://h/subscribe?cursor=5" }],
    [[false, /^live, by --no-rewind/], { noRewind: true, resume: true }],
    [[false, /^resuming after 2026-07-04T14:38:08/], { resume: true }, true],
    [[false, /^resuming after 2026-07-04T14:38:08/], { resume: true }, false],
    [[false, /^continuing the last run, which was killed: resuming after 2026-07-04T14/], { url: "ws://h" }, false],
    [[true, /^live: the last run came to its end/], {}, true],
  ];
  for (const [[live, text], options, ended = false] of cases) {
    const start = startOf({ cursor, ended }, { ...nothing, ...options });
    assert.equal(start.live, live, start.text);
    assert.match(start.text, text);
  }
});

Deno.test("without a saved position a run is live, and --resume is told so", () => {
  const none = { cursor: undefined, ended: false };
  assert.equal(startOf(none, nothing).text, "live, no saved position");
  assert.equal(startOf(none, { ...nothing, resume: true }).text, "live: --resume finds no saved position");
});

Deno.test("a capture has an end: a count, a time, or a date", () => {
  const never = { numRecords: 0, maxTime: 0, endTimestamp: undefined };
  assert.throws(() => checkEnds(never), (error) => error instanceof ConfigError && /jetstream/.test(error.hint ?? ""));
  for (const end of [{ numRecords: 1 }, { maxTime: 1 }, { endTimestamp: 1 }]) checkEnds({ ...never, ...end });
});
