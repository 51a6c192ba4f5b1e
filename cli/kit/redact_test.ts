import assert from "node:assert/strict";
import { redactText, redactUrl } from "./redact.ts";

Deno.test("L5: passwords in URLs become ***", () => {
  assert.equal(redactUrl("redis://me:marker@host:6379/0"), "redis://me:***@host:6379/0");
  assert.equal(redactUrl("wss://host/subscribe?x=1"), "wss://host/subscribe?x=1");
  assert.equal(redactUrl("redis://me:mar/ker@:x"), "redis://***@:x");
  assert.equal(redactUrl("me:marker@host"), "***@host");
  assert.equal(redactUrl("http://a:mar,ker@h1:9200, https://b:marker@h2"), "http://a:***@h1:9200, https://b:***@h2");
});

Deno.test("L5: passwords of URLs within a text become ***", () => {
  const text = "Cannot reach wss://u:marker@h/p nor redis://:marker@h: refused at 10:30, tell a@b.example";
  const usage = "it must be redis://[user[:password]@]host[:port][/db]";
  assert.equal(redactText(usage), usage);
  assert.equal(redactText(text), "Cannot reach wss://u:***@h/p nor redis://:***@h: refused at 10:30, tell a@b.example");
});
