import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { documentId, labelId } from "./ids.ts";
import { A, S } from "./test_events.ts";

const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

Deno.test("E15: an id of 512 bytes is the URI itself, a longer one its hash", () => {
  assert.equal(documentId(S), S);
  const uri = `at://${A}/app.bsky.feed.like/`;
  const [fits, long] = [uri.padEnd(512, "r"), uri.padEnd(600, "r")];
  assert.equal(documentId(fits), fits);
  assert.equal(documentId(`${fits}r`), sha256(`${fits}r`));
  assert.equal(documentId(long), sha256(long));
  assert.equal(documentId(long).length, 71);
  assert.equal(documentId("é".repeat(256)), "é".repeat(256), "bytes are counted, not characters");
  assert.equal(documentId("é".repeat(257)), sha256("é".repeat(257)));
});

Deno.test("E85: a label and its negation have one id, which source, subject, version and value make", () => {
  const label = { src: A, uri: S, val: "spam", cts: "2026-01-01T00:00:00Z" };
  assert.equal(labelId(label), sha256(`${A}\n${S}\n\nspam`));
  assert.equal(
    labelId({ ...label, neg: true, cts: "2026-01-02T00:00:00Z", exp: "2027-01-01T00:00:00Z" }),
    labelId(label),
  );
  assert.equal(labelId({ ...label, cid: "bafy" }), sha256(`${A}\n${S}\nbafy\nspam`));
});
