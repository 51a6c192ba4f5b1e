import assert from "node:assert/strict";
import fc from "fast-check";
import { isPrivateAddress } from "./address.ts";

function assertPrivate(addresses: readonly string[]): void {
  for (const address of addresses) assert.equal(isPrivateAddress(address), true, address);
}

function assertPublic(addresses: readonly string[]): void {
  for (const address of addresses) assert.equal(isPrivateAddress(address), false, address);
}

Deno.test("W18: IPv4, first and last address of every block", () => {
  assertPrivate(["0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255"]);
  assertPrivate(["127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255"]);
  assertPrivate(["172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255"]);
  assertPrivate(["192.88.99.0", "192.88.99.255", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255"]);
  assertPrivate(["198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255"]);
  assertPrivate(["224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255"]);
});

Deno.test("W18: IPv4, the neighbours of every block are public", () => {
  assertPublic(["1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"]);
  assertPublic(["128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255"]);
  assertPublic(["192.0.1.0", "192.0.1.255", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255"]);
  assertPublic(["192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255"]);
  assertPublic(["203.0.114.0", "223.255.255.255", "8.8.8.8"]);
});

Deno.test("W18: IPv6", () => {
  assertPrivate(["::", "::1", "100::", "100::ffff:ffff:ffff:ffff", "2001:db8::1", "2001:db8:ffff::"]);
  assertPrivate(["fc00::", "fd12:3456::1", "fdff:ffff::", "fe80::1", "fe80::1%eth0", "febf::", "fec0::1", "feff::"]);
  assertPrivate(["ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0:0:0:0:0:0:0:1"]);
  assertPublic(["2606:4700::1111", "2a00:1450:4001:81b::200e", "100:0:0:1::", "2001:db7::", "2001:db9::"]);
  assertPublic(["fbff::", "fe00::", "2000::", "2003::", "101::"]);
});

Deno.test("W18: IPv4 inside IPv6 is judged as IPv4", () => {
  assertPrivate(["::ffff:10.0.0.1", "::ffff:a00:1", "::10.0.0.1", "::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1"]);
  assertPrivate(["2002:a00:1::1", "2002:7f00:1::", "2002:c0a8:101::5"]);
  assertPublic(["::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]);
});

Deno.test("Teredo: server and client must be public", () => {
  const client = (a: number, b: number) => `${(a ^ 0xffff).toString(16)}:${(b ^ 0xffff).toString(16)}`;
  assertPublic([`2001:0:808:808:0:0:${client(0x0808, 0x0404)}`]);
  assertPrivate([`2001:0:808:808:0:0:${client(0x0a00, 1)}`, `2001:0:7f00:1:0:0:${client(0x0808, 0x0404)}`]);
});

Deno.test("what cannot be judged is private", () => {
  assertPrivate(["64:ff9b:1::808:808", "64:ff9b:1:ffff::", "", "example.org", "0x7f.1", "1.2.3", "[::1]", "8.8.8.8 "]);
});

Deno.test("W18: odd spellings of IPv4 are judged after URL has read them", () => {
  for (const host of ["0x7f.1", "2130706433", "017700000001", "127.1", "0", "[::ffff:127.0.0.1]", "[::]"]) {
    const { hostname } = new URL(`https://${host}/`);
    assert.equal(isPrivateAddress(hostname.replace(/^\[|\]$/g, "")), true, `${host} is ${hostname}`);
  }
});

Deno.test("an IPv4 address is judged the same in every disguise", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  fc.assert(fc.property(fc.tuple(octet, octet, octet, octet), ([a, b, c, d]) => {
    const plain = isPrivateAddress(`${a}.${b}.${c}.${d}`);
    const high = (a << 8 | b).toString(16), low = (c << 8 | d).toString(16);
    for (const form of [`::ffff:${high}:${low}`, `64:ff9b::${a}.${b}.${c}.${d}`, `2002:${high}:${low}::1`]) {
      assert.equal(isPrivateAddress(form), plain, form);
    }
  }));
});
