import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ConfigError } from "../../pipeline/errors.ts";
import { headersFor } from "./headers.ts";

const url = "https://receiver.example/hook";
const body = Buffer.from("{}");

Deno.test("W2: the token is sent where there is one; W3: no signature without a secret", () => {
  const plain = headersFor({ url })("msg_a", 17, body);
  assert.deepEqual(Object.keys(plain), ["Content-Type", "User-Agent", "webhook-id", "webhook-timestamp"]);
  assert.deepEqual([plain["webhook-id"], plain["webhook-timestamp"]], ["msg_a", "17"]);
  assert.match(plain["User-Agent"]!, /^bskyingest\/\d/);
  assert.equal(headersFor({ url, bearerToken: "t" })("msg_a", 17, body).Authorization, "Bearer t");
  const secret = `whsec_${Buffer.alloc(24).toString("base64")}`;
  assert.match(
    headersFor({ url, secrets: [secret, secret] })("msg_a", 17, body)["webhook-signature"]!,
    /^v1,\S+ v1,\S+$/,
  );
});

Deno.test("further headers are added, and may replace User-Agent", () => {
  const headers = headersFor({ url, headers: ["X-A: 1, 2", "user-agent:  mine ", "X-Empty:"] })("msg_a", 17, body);
  assert.deepEqual([headers["X-A"], headers["User-Agent"], headers["X-Empty"]], ["1, 2", "mine", ""]);
  assert.equal(headers["user-agent"], undefined);
});

Deno.test("W22: headers that cannot be are refused, their values not shown", () => {
  const bad = [
    "X: a\r\nY: secretvalue",
    "X: a\nsecretvalue",
    "X: secretvalue\0",
    "Host: secretvalue",
    "content-type: secretvalue",
    "Content-Length: 5",
    "webhook-id: secretvalue",
    "Transfer-Encoding: chunked",
    "secretvalue",
    "X Y: secretvalue",
    ": secretvalue",
    "X: \u{1f600}secretvalue",
  ];
  for (const header of bad) {
    assert.throws(
      () => headersFor({ url, headers: [header] }),
      (error) => error instanceof ConfigError && !error.message.includes("secretvalue"),
      header,
    );
  }
  assert.throws(() => headersFor({ url, bearerToken: "a\r\nb" }), ConfigError);
});
