import assert from "node:assert/strict";
import fc from "fast-check";
import { eventOf } from "../../../tests/support/webhook_run.ts";
import { toJson } from "../../atproto/event.ts";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { bodyOf, type Content, piecesOf, requestsOf, textsOf, withoutParked } from "./requests.ts";

const keysOf = (contents: readonly Content[]) => contents.flatMap(({ keys }) => keys);
const body = (content: Content, asArray: boolean) => new TextDecoder().decode(bodyOf(content, asArray));

Deno.test("one event a request: the body is its text", () => {
  const events = [eventOf(1), { ...eventOf(2), raw: ' {"a":\r\n1} ' }];
  const contents = requestsOf(events, { batch: 1, ordered: true });
  assert.deepEqual(contents.map((content) => body(content, false)), events.map(toJson));
  assert.deepEqual(contents.map(({ accounts }) => accounts), [["did:plc:a1"], ["did:plc:a2"]]);
});

Deno.test("an array holds the texts in order, and is cut by number and size", () => {
  const events = [eventOf(1), eventOf(2, "a1"), eventOf(3)];
  const [only] = requestsOf(events, { batch: 5, ordered: true });
  assert.equal(body(only!, true), `[${events.map(toJson).join(",\n")}]`);
  assert.deepEqual(only!.accounts, ["did:plc:a1", "did:plc:a3"]);
  const broken = [{ ...eventOf(4), raw: '{"a":\r\n[1,\n2]}' }, eventOf(5)];
  const [flat] = requestsOf(broken, { batch: 2, ordered: true });
  assert.deepEqual(JSON.parse(body(flat!, true))[0], { a: [1, 2] });
  assert.equal(textsOf(flat!).length, 2);
  const large = eventOf(4);
  const huge = [1, 2, 3].map((i) => ({ ...large, raw: JSON.stringify("x".repeat(2 ** 23)), time_us: i }));
  const sizes = requestsOf(huge, { batch: 5, ordered: false }).map(({ keys }) => keys.length);
  assert.deepEqual(sizes, [1, 1, 1]);
});

Deno.test(`requests: every event once, accounts in order, no request too large, most of them full (seed ${SEED})`, () => {
  const plans = fc.record({
    accounts: fc.array(fc.nat(20), { maxLength: 200 }),
    batch: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(plans, fc.boolean(), ({ accounts, batch }, ordered) => {
      const events = accounts.map((account, i) => eventOf(i, `a${account}`));
      const contents = requestsOf(events, { batch, ordered });
      assert(contents.every(({ keys }) => keys.length > 0 && keys.length <= batch));
      const found = contents.flatMap(textsOf);
      assert.deepEqual(found.toSorted(), events.map(toJson).toSorted());
      for (const account of new Set(accounts)) {
        const texts = (all: readonly string[]) => all.filter((text) => text.includes(`"did:plc:a${account}"`));
        if (ordered) assert.deepEqual(texts(found), texts(events.map(toJson)));
      }
      if (!ordered) assert.equal(contents.length, Math.ceil(events.length / batch));
    }),
    { seed: SEED },
  );
});

Deno.test("accounts are spread over requests that can be sent side by side", () => {
  const events = Array.from({ length: 400 }, (_, i) => eventOf(i, `a${i % 40}`));
  const contents = requestsOf(events, { batch: 100, ordered: true });
  assert.deepEqual(contents.map(({ keys }) => keys.length), [100, 100, 100, 100]);
  assert.equal(
    new Set(contents.flatMap(({ accounts }) => accounts)).size,
    contents.flatMap(({ accounts }) => accounts).length,
  );
});

Deno.test("a request is cut into pieces, or parted from the accounts that wait", () => {
  const events = [eventOf(0, "a"), eventOf(1, "b"), eventOf(2, "a"), eventOf(3, "c"), eventOf(4, "b")];
  const [content] = requestsOf(events, { batch: 9, ordered: true });
  const pieces = piecesOf(content!, 3);
  assert.deepEqual(pieces.map(({ keys }) => keys.length), [3, 2]);
  assert.deepEqual(keysOf(pieces), keysOf([content!]));
  const parts = withoutParked(content!, (account) => account !== "did:plc:a");
  assert.deepEqual(parts.map((part) => [...part.accounts, part.keys.length]), [
    ["did:plc:a", 2],
    ["did:plc:b", 2],
    ["did:plc:c", 1],
  ]);
  assert.deepEqual(parts.flatMap(textsOf).toSorted(), events.map(toJson).toSorted());
});
