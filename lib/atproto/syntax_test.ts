import assert from "node:assert/strict";
import { isDid, isHandle, isNsid, wildcardHead } from "./syntax.ts";

// Examples of the specifications (https://atproto.com/specs/did, /handle, /nsid).
Deno.test("DIDs", () => {
  for (
    const text of ["did:plc:z72i7hdynmk6r22z27h6tvur", "did:web:localhost%3A1234", "did:method:val-two", "did:m:v"]
  ) {
    assert.ok(isDid(text), text);
  }
  const bad = [
    "",
    "did",
    "DID:method:val",
    "did:METHOD:val",
    "did:m123:val",
    "did:method:",
    "did:method:val:",
    "did:m:v/p",
  ];
  for (const text of [...bad, "did:m:v?q", "did:m:v#f", " did:m:v", "did:m:v\n", `did:m:${"v".repeat(2043)}`]) {
    assert.ok(!isDid(text), text);
  }
  assert.ok(isDid(`did:m:${"v".repeat(2042)}`));
});

Deno.test("handles", () => {
  const good = [
    "jay.bsky.social",
    "8.cn",
    "name.t--t",
    "XX.LCS.MIT.EDU",
    "a.co",
    "xn--notarealidn.com",
    "xn--fiqa61au8b7zsevnm8ak20mc4a87e.xn--fiqs8s",
  ];
  for (const text of [...good, "laptop.local", "a.b.c.d.e", `${"a".repeat(63)}.com`]) assert.ok(isHandle(text), text);
  const bad = [
    "jo@hn.test",
    "💩.test",
    "john..test",
    "xn--bücher-.tld",
    "john.0",
    "cn.8",
    "www.masełkowski.pl.com",
    "org",
    "name.org.",
  ];
  for (
    const text of [...bad, "", ".a.b", "not a handle", "a.b\n", "-a.b", "a-.b", "a.b-", "a.-b", `${"a".repeat(64)}.com`]
  ) {
    assert.ok(!isHandle(text), text);
  }
  const long = Array(62).fill("abc").join(".");
  assert.ok(isHandle(`${long}.abcde`) && !isHandle(`${long}.abcdef`));
});

Deno.test("NSIDs", () => {
  const good = ["com.example.fooBar", "net.users.bob.ping", "a.b.c", "com.example.thing2", "one.two-three.four"];
  for (const text of [...good, "app.bsky.feed.post", `a.b.${"c".repeat(63)}`]) assert.ok(isNsid(text), text);
  const bad = [
    "com.example",
    "com.example.3",
    "com.exa💩ple.thing",
    "com.example.foo-bar",
    "",
    ".a.b.c",
    "a..b",
    "a.b.c.",
  ];
  for (const text of [...bad, "-a.b.c", "a.b.*", "a.b.c\n", `a.b.${"c".repeat(64)}`, "1a.b.c"]) {
    assert.ok(!isNsid(text), text);
  }
});

Deno.test("wildcards", () => {
  assert.equal(wildcardHead("app.bsky.feed.*"), "app.bsky.feed");
  assert.equal(wildcardHead("app.*"), "app");
  for (const text of ["*", ".*", "app.bsky.fo*", "app.bsky.*.post", "app..*", "app.bsky.feed.post", "a b.*"]) {
    assert.equal(wildcardHead(text), undefined, text);
  }
});
