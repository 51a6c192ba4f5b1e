import assert from "node:assert/strict";
import { targetsOf } from "./targets.ts";

Deno.test("a kind goes to the alias of its name, over an index with a number", () => {
  assert.deepEqual(targetsOf(["likes", "post_tombstones"]), [
    { kind: "likes", alias: "likes", index: "likes_v1" },
    { kind: "post_tombstones", alias: "post_tombstones", index: "post_tombstones_v1" },
  ]);
});

Deno.test("--index and --index-prefix change names", () => {
  const names = (kinds: Parameters<typeof targetsOf>[0], names: string[], prefix?: string) =>
    targetsOf(kinds, { names, prefix }).map(({ kind, index }) => `${kind} ${index}`);
  assert.deepEqual(names(["likes"], ["hearts"]), ["likes hearts_v1"]);
  assert.deepEqual(names(["posts", "post_tombstones"], ["p"]), ["posts p_v1", "post_tombstones post_tombstones_v1"]);
  assert.deepEqual(names(["likes", "posts"], ["likes=a", "posts=b"], "test-"), ["likes test-a_v1", "posts test-b_v1"]);
  assert.deepEqual(names(["likes"], ["posts=b"]), ["likes likes_v1"]);
});

Deno.test("names that cannot be are refused", () => {
  const bad: [Parameters<typeof targetsOf>, RegExp][] = [
    [[["likes", "posts"], { names: ["x"] }], /more than one kind/],
    [[["likes"], { names: ["hearts=x"] }], /the kind must be one of likes, posts, /],
    [[["likes"], { names: ["likes=x", "y"] }], /likes have a name already/],
    [[["likes", "posts"], { names: ["likes=posts"] }], /index "posts" for posts: likes go there/],
    [[["likes"], { names: ["Likes"] }], /lower case/],
    [[["likes"], { names: ["a*"] }], /must not contain/],
    [[["likes"], { names: ["likes="] }], /begin with a letter/],
    [[["likes"], { prefix: "_" }], /begin with a letter/],
    [[["likes"], { prefix: "ä".repeat(125) }], /more than 250 bytes/],
  ];
  for (const [args, message] of bad) assert.throws(() => targetsOf(...args), { name: "ConfigError", message });
});
