import assert from "node:assert/strict";
import { CLOSED } from "./breaker.ts";
import { type Endpoint, type EndpointOptions, openEndpoint } from "./endpoint.ts";

const target = { url: "https://receiver.example/hook?key=secret", bearerToken: "token" };
let time = 1_000_000;
const open = (saved: string, options: Partial<EndpointOptions> = {}): Endpoint =>
  openEndpoint({ target, saved, enable: false, now: () => time, ...options });

/** As it is after a restart. */
const again = (endpoint: Endpoint, options: Partial<EndpointOptions> = {}) => open(endpoint.save(CLOSED), options);

Deno.test("W7: gone survives a restart and is never tried; --webhook-enable and another URL lift it, another token does not", () => {
  const endpoint = open("{}");
  assert.equal(endpoint.disabled, undefined);
  endpoint.disable("gone", "The receiver answered 410");
  const restarted = again(endpoint);
  assert.deepEqual([restarted.disabled, restarted.nextTry], [{ reason: "gone", since: 1_000_000 }, undefined]);
  assert.equal(again(endpoint, { enable: true }).disabled, undefined);
  assert.equal(again(endpoint, { target: { ...target, url: "https://receiver.example/other" } }).disabled, undefined);
  assert.equal(
    again(endpoint, { target: { ...target, url: "https://receiver.example/hook?key=new" } }).disabled,
    undefined,
  );
  assert.equal(again(endpoint, { target: { ...target, bearerToken: "new" } }).disabled?.reason, "gone");
});

Deno.test("W8: refused is tried every five minutes, and lifted by another token", () => {
  const endpoint = open("{}");
  endpoint.disable("refused", "The receiver answered 401");
  assert.equal(endpoint.nextTry, time + 300_000);
  time += 300_000;
  endpoint.tried();
  assert.equal(endpoint.nextTry, time + 300_000);
  assert.equal(again(endpoint).disabled?.reason, "refused");
  assert.equal(again(endpoint, { target: { ...target, bearerToken: "new" } }).disabled, undefined);
  endpoint.enable();
  assert.equal(endpoint.disabled, undefined);
});

Deno.test("the breaker is kept for the same URL only, and nothing secret is", () => {
  const breaker = { failures: 7, opened: 3, until: 99 };
  const saved = open("{}").save(breaker);
  assert.deepEqual(open(saved).breaker, breaker);
  assert.deepEqual(open(saved, { target: { ...target, url: "https://b.example/" } }).breaker, CLOSED);
  assert.doesNotMatch(saved, /secret|token"/);
});
