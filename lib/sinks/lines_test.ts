import assert from "node:assert/strict";
import type { AnyEvent } from "../atproto/event.ts";
import { chunksOf, lineOf } from "./lines.ts";

const event = (raw: string): AnyEvent => ({
  kind: "identity",
  did: "did:plc:abc",
  time_us: 1,
  origin: { source: "jetstream", wire: "v1", host: "h" },
  identity: { did: "did:plc:abc" },
  raw,
});

Deno.test("text that came on several lines is written on one, nothing else of it changes", () => {
  assert.equal(lineOf(event(`{\r\n "a": "\\n\u2028", "b":1.0}`)), `{   "a": "\\n\u2028", "b":1.0}`);
});

Deno.test("chunks hold whole lines and stay near 1 MiB", () => {
  const line = `{"a":"${"é".repeat(1000)}"}`;
  const chunks = [...chunksOf(Array.from({ length: 3000 }, () => event(line)))];
  assert.ok(chunks.length > 1 && chunks.every((chunk) => chunk.length < 2.2e6 && chunk.at(-1) === 0x0a));
  const text = chunks.map((chunk) => new TextDecoder().decode(chunk)).join("");
  assert.equal(text, (line + "\n").repeat(3000));
  assert.deepEqual([...chunksOf([])], []);
});
