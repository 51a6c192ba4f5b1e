import { equal } from "node:assert/strict";
import fc from "fast-check";
import { startNumber } from "../../../tests/support/random.ts";
import { megastreamName, megastreamTime } from "./name.ts";

Deno.test("M1: a name's time, in microseconds", () => {
  equal(megastreamTime("mega_jetstream_20250109_120000.db.zip"), 1736424000000000);
});

Deno.test("M2: folders before the name change nothing", () => {
  for (const folder of ["/data/mega/", "a/", "./", "mega_jetstream_20200101_000000.db.zip/"]) {
    equal(megastreamTime(`${folder}mega_jetstream_20250109_120000.db.zip`), 1736424000000000);
  }
});

for (const digits of ["20250605_153045", "20251231_235959", "20240229_000000", "00010101_000000"]) {
  Deno.test(`M3: round trip of ${digits}`, () => {
    const name = `mega_jetstream_${digits}.db.zip`;
    equal(megastreamName(megastreamTime(name)!), name);
  });
}

Deno.test("M3: every time gives a name that tells it again, cut to seconds", () => {
  const seconds = fc.integer({ min: -9007199254, max: 9007199253 }); // as far as microseconds are safe integers
  const property = fc.property(seconds, fc.integer({ min: 0, max: 999_999 }), (second, micros) => {
    equal(megastreamTime(megastreamName(second * 1e6 + micros)), second * 1e6);
  });
  fc.assert(property, { seed: startNumber("names") });
});

for (
  const name of [
    "mega_jetstream_20250109.db.zip",
    "mega_jetstream_120000.db.zip",
    "jetstream_20250109_120000.db.zip",
    "mega_jetstream_2025-01-09_120000.db.zip",
    "mega_jetstream_20251399_256199.db.zip",
    "mega_jetstream_20250109_120000",
    ".db",
    "",
    "mega_jetstream_20250230_120000.db.zip",
    "mega_jetstream_20250109_240000.db.zip",
    "mega_jetstream_20250109_126000.db.zip",
    "mega_jetstream_20250109_120060.db.zip",
    "mega_jetstream_20250109_120000.db",
    "mega_jetstream_20250109_120000.db.zip.part",
    "mega_jetstream_20250109_120000.db.zip\n",
    "old_mega_jetstream_20250109_120000.db.zip",
    "MEGA_JETSTREAM_20250109_120000.DB.ZIP",
  ]
) {
  Deno.test(`M4: no time in ${JSON.stringify(name)}`, () => equal(megastreamTime(name), undefined));
}
