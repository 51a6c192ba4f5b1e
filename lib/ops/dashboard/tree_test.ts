import assert from "node:assert/strict";
import fc from "fast-check";
import { h, toHtml } from "./tree.ts";

Deno.test("an element as HTML: texts joined, nothing of what is not there, no end tag where there is none", () => {
  const tree = h("p", { class: "a", id: undefined }, "one ", undefined, "", "two", h("br", {}), h("b", {}));
  assert.deepEqual(tree.children.length, 3);
  assert.equal(toHtml(tree), '<p class="a">one two<br><b></b></p>');
});

Deno.test("W34: no text and no attribute gets out of where it stands", () => {
  const nasty = `"'><img src=x onerror=alert(1)></script>&lt;`;
  const escaped = "&quot;&#39;&gt;&lt;img src=x onerror=alert(1)&gt;&lt;/script&gt;&amp;lt;";
  assert.equal(toHtml(h("p", { title: nasty }, nasty)), `<p title="${escaped}">${escaped}</p>`);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.match(toHtml(h("i", { title: text }, text)), /^<i title="[^<>"']*">[^<>"']*<\/i>$/);
  }));
});
