/**
 * Which IP addresses lie outside the public internet, judged by the address alone: names are looked up elsewhere.
 *
 * @module
 */
import { isIPv4, isIPv6 } from "node:net";

/** A block of addresses: `prefix` holds its first `bits` bits. */
interface Block {
  readonly prefix: bigint;
  readonly bits: number;
}

/** Private, shared, local, for documentation and benchmarks, multicast, reserved (https://www.iana.org/assignments/iana-ipv4-special-registry). */
const PRIVATE_V4: readonly Block[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
].map((text) => blockOf(text, 32));

/** The same for IPv6 (https://www.iana.org/assignments/iana-ipv6-special-registry); `fec0::/10` was once site-local. */
const PRIVATE_V6: readonly Block[] = [
  "::/128",
  "::1/128",
  "100::/64",
  "2001:db8::/32",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
  // NAT64 inside one network (RFC 8215): where in it the IPv4 address stands is that network's own choice, so it cannot be judged.
  "64:ff9b:1::/48",
].map((text) => blockOf(text, 128));

const MASK_V4 = 0xffff_ffffn;

/** Blocks of IPv6 addresses that stand for IPv4 addresses, and which ones those are. */
const EMBEDDED: readonly { readonly block: Block; readonly read: (address: bigint) => readonly bigint[] }[] = [
  { block: blockOf("::ffff:0:0/96", 128), read: (address) => [address & MASK_V4] },
  { block: blockOf("::/96", 128), read: (address) => [address & MASK_V4] },
  { block: blockOf("64:ff9b::/96", 128), read: (address) => [address & MASK_V4] },
  // 6to4 (RFC 3056): behind the prefix.
  { block: blockOf("2002::/16", 128), read: (address) => [address >> 80n & MASK_V4] },
  // Teredo (RFC 4380): the server behind the prefix, the client at the end with its bits turned over.
  { block: blockOf("2001::/32", 128), read: (address) => [address >> 64n & MASK_V4, ~address & MASK_V4] },
];

/**
 * Whether an address must not be connected to on behalf of somebody outside.
 *
 * @param address As `node:net` prints it, without brackets. Whatever is no IP address cannot be judged and counts as private.
 */
export function isPrivateAddress(address: string): boolean {
  if (isIPv4(address)) return isPrivateV4(parseV4(address));
  if (!isIPv6(address)) return true;
  const value = parseV6(address);
  if (PRIVATE_V6.some((block) => contains(block, value, 128))) return true;
  return EMBEDDED.some(({ block, read }) => contains(block, value, 128) && read(value).some(isPrivateV4));
}

function isPrivateV4(value: bigint): boolean {
  return PRIVATE_V4.some((block) => contains(block, value, 32));
}

function contains({ prefix, bits }: Block, address: bigint, width: number): boolean {
  return address >> BigInt(width - bits) === prefix;
}

/** Reads `10.0.0.0/8`. */
function blockOf(text: string, width: 32 | 128): Block {
  const [address = "", length] = text.split("/");
  const bits = Number(length);
  const value = width === 32 ? parseV4(address) : parseV6(address);
  return { prefix: value >> BigInt(width - bits), bits };
}

function parseV4(text: string): bigint {
  return text.split(".").reduce((value, octet) => value << 8n | BigInt(octet), 0n);
}

/** Without its zone (`fe80::1%eth0`). */
function parseV6(text: string): bigint {
  // URL writes every address in one form: hexadecimal groups, a dotted end included.
  const plain = new URL(`http://[${text.replace(/%.*$/, "")}]/`).hostname.slice(1, -1);
  const [head = [], tail = []] = plain.split("::").map((half) => half === "" ? [] : half.split(":"));
  const zeros = Array(8 - head.length - tail.length).fill("0");
  return [...head, ...zeros, ...tail].reduce((value, group) => value << 16n | BigInt(`0x${group}`), 0n);
}
