import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Webhook } from "standardwebhooks";
import { dedupeKey } from "../../atproto/event.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { parseV1 } from "../../sources/jetstream/parse.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import { secretBytes, signature, webhookId } from "./sign.ts";

const SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;

realTest("W3: the vector of the specification", ["expected_v1.jsonl"], ([file]) => {
  const lines = Deno.readTextFileSync(file!).split("\n").slice(0, 2);
  const origin = { source: "jetstream", wire: "v1", host: "h" } as const;
  const keys = lines.map((line) => {
    const event = parseV1(line, origin);
    assert("kind" in event);
    return dedupeKey(event);
  });
  const id = webhookId(keys.slice(0, 1));
  assert.equal(id, "msg_2957cf6d82e107254d330f62f19e1429");
  const request = { id, timestamp: 1783175889, body: Buffer.from(lines[0]!) };
  assert.equal(signature([secretBytes(SECRET)], request), "v1,GtbXGPgh5wCbNigi+vCtm6WNHmPW01wzu4r1OXsm+No=");
  assert.equal(webhookId(keys), "msg_1ef4e11ff56e82fc8c181d4f15837b56");
});

Deno.test("W3: standardwebhooks verifies a request with either secret during a rotation, and no other", () => {
  const body = '{"text":"é\\u0000"}';
  const timestamp = Math.floor(Date.now() / 1000);
  const signed = signature([secretBytes(OTHER), secretBytes(SECRET)], {
    id: "msg_a",
    timestamp,
    body: Buffer.from(body),
  });
  const headers = { "webhook-id": "msg_a", "webhook-timestamp": String(timestamp), "webhook-signature": signed };
  for (const secret of [SECRET, OTHER]) assert.deepEqual(new Webhook(secret).verify(body, headers), JSON.parse(body));
  const third = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
  assert.throws(() => new Webhook(third).verify(body, headers), /No matching signature/);
  assert.throws(() => new Webhook(SECRET).verify(`${body} `, headers), /No matching signature/);
});

Deno.test("W22: a secret that cannot be one is refused and not shown", () => {
  const bad = [
    `whsec_${Buffer.alloc(10, 1).toString("base64")}`,
    `whsec_${Buffer.alloc(65, 1).toString("base64")}`,
    Buffer.alloc(32, 1).toString("base64"),
    "whsec_",
    "whsec_###############################=",
    "",
  ];
  for (const secret of bad) {
    assert.throws(() => secretBytes(secret), (error) => {
      assert(error instanceof ConfigError);
      return secret.length < 7 || !error.message.includes(secret.slice(6));
    });
  }
  assert.equal(secretBytes(SECRET).length, 32);
});
