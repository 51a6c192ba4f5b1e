import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { Place, type PlaceOptions } from "./place.ts";

function placeAt(saved: string | undefined, options: Partial<PlaceOptions> = {}) {
  const place = new Place({ source: "firehose", host: "h", begin: "live", ...options });
  place.start(saved);
  return place;
}

const short = (place: Place) => place.takeGaps().map(({ reason, from, to, state }) => [reason, from, to, state]);

Deno.test("F37: a saved position that is no integer is never taken for another one", () => {
  for (const text of ["abc", "", "-1", "1.5", "1e3", " 1", "9007199254740992", "0x10", "1".repeat(17)]) {
    throws(() => placeAt(text), ConfigError, text);
  }
  for (const text of ["0", "42", "9007199254740991"]) equal(placeAt(text).ask(), Number(text));
});

Deno.test("a jump between neighbouring numbers is no gap", () => {
  const place = placeAt("1");
  place.ask();
  deepEqual([place.meet(2), place.meet(500), place.takeGaps()], ["new", "new", []]);
});

Deno.test("OutdatedCursor moves nothing by itself, and is no gap where nothing is missing", () => {
  const place = placeAt("42");
  place.ask();
  place.outdated("too old");
  deepEqual([place.cursor, place.hasGaps], ["42", false]);
  equal(place.meet(43), "new");
  equal(place.hasGaps, false);
});

Deno.test("F12: the cursor is raised further and further until a frame comes, from the second time on", () => {
  const place = placeAt("100");
  const asked: unknown[] = [];
  for (let i = 0; i < 6; i++) {
    asked.push(place.ask());
    place.oversize();
  }
  deepEqual(asked, [100, 100, 101, 102, 104, 108]);
  equal(place.raised, true);
  place.ask();
  equal(place.meet(103), "new"); // between the cursor and what was asked for
  deepEqual(short(place), [["frame_size", 101, 102, "open"]]);
  deepEqual([place.raised, place.ask()], [false, 103]);
});

Deno.test("a live start that brought nothing yet has no position, and no gap can begin there", () => {
  const place = placeAt(undefined);
  equal(place.ask(), undefined);
  place.outdated(undefined);
  place.oversize();
  place.oversize();
  deepEqual([place.cursor, place.ask(), place.askedForward], [undefined, undefined, false]);
  deepEqual([place.meet(7), place.cursor, place.takeGaps()], ["new", "7", []]);
});

Deno.test("numbers handed on always grow, until the user lets them begin anew", () => {
  const numbers = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant("reconnect" as const)), {
    maxLength: 300,
  });
  const property = fc.property(fc.integer({ min: 0, max: 30 }), numbers, (saved, steps) => {
    const place = placeAt(String(saved));
    place.ask();
    let last = saved;
    for (const step of steps) {
      if (step === "reconnect") {
        equal(place.ask(), last);
        continue;
      }
      const verdict = place.meet(step);
      equal(verdict === "new", step > last);
      if (verdict === "new") last = step;
      equal(place.cursor, String(last));
    }
    deepEqual(place.takeGaps(), []);
  });
  fc.assert(property, { seed: SEED });
});
