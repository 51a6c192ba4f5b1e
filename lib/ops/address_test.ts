import assert from "node:assert/strict";
import { authorityOf, hostIn, isLoopback, isOwnHost, parseListenAddress } from "./address.ts";

Deno.test("addresses: port, host and port, IPv6 in brackets; no host is this machine", () => {
  const cases: [string, string, number][] = [
    ["9090", "127.0.0.1", 9090],
    [":9090", "127.0.0.1", 9090],
    ["0", "127.0.0.1", 0],
    ["0.0.0.0:80", "0.0.0.0", 80],
    ["[::1]:65535", "::1", 65535],
    [" ops.example:1 ", "ops.example", 1],
  ];
  for (const [text, hostname, port] of cases) assert.deepEqual(parseListenAddress(text), { hostname, port });
});

Deno.test("addresses: whatever else is refused", () => {
  for (const text of ["", ":", "x", "1.2.3.4", "::1:80", "[::1]", "[x]:1", "a b:1", "a:65536", "http://a:1", "a@b:1"]) {
    assert.throws(() => parseListenAddress(text), /^ConfigError: it must be PORT, :PORT/, text);
  }
});

Deno.test("addresses: only this machine reaches loopback ones", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "localhost", "x.localhost"]) assert(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.example", "localhost.example"]) assert(!isLoopback(host), host);
});

Deno.test("addresses: IPv6 has brackets in a URL", () => {
  assert.equal(authorityOf({ hostname: "::1", port: 1 }), "[::1]:1");
  assert.equal(authorityOf({ hostname: "a", port: 1 }), "a:1");
});

Deno.test("W33: host names that are ours: localhost, addresses, the machine's and named ones", () => {
  const names = new Set(["ops.example"]);
  const ours = ["localhost:80", "a.localhost", "127.0.0.1:9", "10.1.2.3", "[::1]:9", "ops.example", "OPS.example:80"];
  for (const header of ours) {
    assert(isOwnHost(hostIn(header) ?? "", names), header);
  }
  for (const header of ["evil.example", "localhost.evil.example", "", "a/b", "user@localhost", "localhost?"]) {
    assert(!isOwnHost(hostIn(header) ?? "", names), header);
  }
});
