import { deepEqual, equal, throws } from "node:assert/strict";
import type { AnyEvent } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Write } from "../../transforms/elasticsearch/writes.ts";
import { commonPlaces, isOlder, planBatch } from "./plan.ts";

/** Plans events that are known by their writes: `likes:a7` is the like a of version 7. */
function plan(...events: readonly string[]) {
  const items = events.map((text) => ({ text }) as unknown as AnyEvent);
  return planBatch(items, {
    indexOf: (kind) => `my-${kind}`,
    purgeOf: (event) => (event as never as { text: string }).text === "purge" ? { did: "d" } as never : undefined,
    toWrites: (event) => {
      const { text } = event as never as { text: string };
      if (text === "poison") throw new PoisonError("bad_subject", "Cannot use it");
      if (text === "bug") throw new TypeError("Something nobody thought of");
      return text === "purge" ? [] : text.split(" ").map((each) => {
        const [, kind, id, version] = /^(.*):(\D+)(\d+)$/.exec(each)!;
        return { kind, id, uri: id, version, action: "index", body: "{}" } as Write;
      });
    },
  });
}
const shown = ({ lines }: ReturnType<typeof plan>) =>
  lines.map(({ write, index, item }) => `${item} ${index} ${write.id}${write.version}`);

Deno.test("planBatch: of each document the highest version stays, the last one on a tie", () => {
  const folded = plan("likes:a5", "likes:b5", "likes:a10", "likes:a9", "likes:b5");
  deepEqual(shown(folded), ["2 my-likes a10", "4 my-likes b5"]);
  deepEqual(folded.folded, [{ item: 0, place: 0 }, { item: 3, place: 0 }, { item: 1, place: 1 }]);
});

Deno.test("planBatch: the same id of another kind is another document", () => {
  deepEqual(shown(plan("posts:a1", "post_tombstones:a2 posts:a2")), ["1 my-posts a2", "1 my-post_tombstones a2"]);
});

Deno.test("planBatch: what cannot become a document is dead, the rest is planned; a bug is a bug", () => {
  const some = plan("poison", "likes:a1", "purge");
  deepEqual([...some.dead].map(([item, error]) => [item, error.reason]), [[0, "bad_subject"]]);
  deepEqual(shown(some), ["1 my-likes a1"]);
  deepEqual(some.purges.map(({ item }) => item), [2]);
  throws(() => plan("bug"), TypeError);
});

Deno.test("isOlder: compares numbers that JavaScript would round", () => {
  equal(isOlder("1804111561854418944", "1804111561854418945"), true);
  equal(isOlder("1804111561854418945", "1804111561854418944"), false);
  equal(isOlder("9", "10"), true);
  equal(isOlder("10", "10"), false);
});

Deno.test("commonPlaces: the same documents, not only the same ids", () => {
  const { places } = plan("likes:a1", "posts:b1", "likes:c1");
  deepEqual(commonPlaces(places, plan("posts:b9 likes:c1").places), [2, 1]);
  deepEqual(commonPlaces(places, plan("posts:a1", "records:b1").places), []);
});
