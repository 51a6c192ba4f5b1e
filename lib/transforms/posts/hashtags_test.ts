import assert from "node:assert/strict";
import { hashtagsOf } from "./hashtags.ts";

const inText = (text: string) => hashtagsOf({}, text);
const facet = (...tags: unknown[]) => ({
  features: tags.map((tag) => ({ $type: "app.bsky.richtext.facet#tag", tag })),
});

Deno.test("M38: tags in the text", () => {
  const cases: Record<string, string[]> = {
    "#FIRST#Second": ["first", "second"],
    "#日本語": ["日本語"],
    "C#": [],
    "##x": ["x"],
    "https://e.org/#top": [],
    "#2026": [],
    "no tag at all": [],
    "a#b, (#c) #d-e #f_g #1h\n#i\u3000#j": ["b", "c", "d", "f_g", "1h", "i", "j"],
    "#a/b /#c x/y#d": ["a"],
    "＃全角 ＃＃two#three": ["全角", "two", "three"],
    "#हिन्दी #عربي": ["हिन्दी", "عربي"],
    "#٢٠٢٦ #x٢": ["x٢"],
    "#cafe\u0301 #CAFÉ": ["café"],
    "# #! #": [],
  };
  for (const [text, tags] of Object.entries(cases)) assert.deepEqual(inText(text), tags, text);
});

Deno.test("M38: tags of facets and of the record come first, each of them once", () => {
  assert.deepEqual(hashtagsOf({ facets: [facet("Été")] }, ""), ["été"]);
  const record = {
    facets: [facet("One", "#two"), { features: [{ $type: "x#link", tag: "no" }] }],
    tags: ["TWO", "##3d"],
  };
  assert.deepEqual(hashtagsOf(record, "#four #one"), ["one", "two", "3d", "four"]);
});

Deno.test("M38: what is no tag", () => {
  for (const tag of ["", "#", "＃", "12", 5, null, {}, ["a"], "é".repeat(321)]) {
    assert.deepEqual(hashtagsOf({ facets: [facet(tag)], tags: [tag] }, ""), []);
  }
  assert.deepEqual(hashtagsOf({ tags: ["é".repeat(320)] }, ""), ["é".repeat(320)], "640 bytes");
  for (const odd of [5, "tag", {}, [[]], [5], [{ features: 5 }]]) {
    assert.deepEqual(hashtagsOf({ facets: odd, tags: odd === "tag" ? odd : undefined }, ""), []);
  }
  assert.deepEqual(hashtagsOf({ tags: ["a\ud800"] }, ""), ["a\ufffd"]);
});
