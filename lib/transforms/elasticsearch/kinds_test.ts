import assert from "node:assert/strict";
import { isWanted, type Kind, kindOfCollection, KINDS, kindsOfCollections } from "./kinds.ts";

Deno.test("every collection has its kind, unknown ones become records", () => {
  const expected: [string, Kind][] = [
    ["app.bsky.feed.like", "likes"],
    ["app.bsky.feed.post", "posts"],
    ["app.bsky.feed.repost", "reposts"],
    ["app.bsky.graph.follow", "follows"],
    ["app.bsky.graph.block", "blocks"],
    ["app.bsky.actor.profile", "records"],
    ["constructor", "records"],
  ];
  for (const [collection, kind] of expected) assert.equal(kindOfCollection(collection), kind);
});

Deno.test("without a list every kind is wanted, except accounts and identities", () => {
  const wanted = KINDS.filter((kind) => isWanted(kind, undefined));
  assert.deepEqual(wanted, KINDS.filter((kind) => kind !== "accounts" && kind !== "identities"));
});

Deno.test("a list is followed, and posts bring their tombstones along", () => {
  const wanted = (documents: readonly Kind[]) => KINDS.filter((kind) => isWanted(kind, documents));
  assert.deepEqual(wanted(["accounts", "likes"]), ["likes", "accounts"]);
  assert.deepEqual(wanted(["posts"]), ["posts", "post_tombstones"]);
  assert.deepEqual(wanted(["post_tombstones"]), ["post_tombstones"]);
});

Deno.test("a run makes only the indices that its collections need", () => {
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["app.bsky.feed.like"], ["likes"]],
    [["app.bsky.feed.post"], ["posts", "post_tombstones"]],
    [["app.bsky.graph.*"], ["follows", "blocks", "records"]],
    [["work.doing.status", "app.bsky.feed.like"], ["likes", "records"]],
    [["all"], ["likes", "posts", "post_tombstones", "reposts", "follows", "blocks", "records"]],
  ];
  for (const [patterns, kinds] of cases) assert.deepEqual(kindsOfCollections(patterns), kinds, patterns.join());
});
