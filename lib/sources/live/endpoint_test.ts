import { deepEqual } from "node:assert/strict";
import { readHosts } from "./endpoint.ts";

function read(...texts: string[]) {
  const faults: string[] = [];
  const endpoints = readHosts(texts, undefined, faults);
  return { endpoints, faults };
}

Deno.test("F43: hosts are split at commas and trimmed, blanks count for nothing", () => {
  const { endpoints, faults } = read(" a, ,b ", "c:2470");
  deepEqual([endpoints.map(({ host }) => host), faults], [["a", "b", "c:2470"], []]);
});

Deno.test("a host is encrypted unless its scheme says otherwise", () => {
  const { endpoints, faults } = read("bsky.network", "https://B.test/", "wss://c", "http://d:80", "ws://e:2470");
  deepEqual(faults, []);
  deepEqual(endpoints.map(({ host, ws, http }) => [host, ws, http]), [
    ["bsky.network", "wss://bsky.network", "https://bsky.network"],
    ["b.test", "wss://b.test", "https://b.test"],
    ["c", "wss://c", "https://c"],
    ["d", "ws://d", "http://d"],
    ["e:2470", "ws://e:2470", "http://e:2470"],
  ]);
});

Deno.test("F43: a host named twice, a path, a query, a user, another scheme, no host at all", () => {
  deepEqual(read("a,https://a/").faults, ['Cannot use host "https://a/": a is named twice']);
  for (const text of ["a/xrpc", "a?x=1", "https://a/#x"]) {
    deepEqual(read(text).faults, [`Cannot use host "${text}": it must be without a path and a query`]);
  }
  deepEqual(read("https://u:p@a").faults, ['Cannot use host "https://u:p@a": it must be without a user']);
  deepEqual(read("ftp://a").faults, [
    'Cannot use host "ftp://a": it must begin with https:// or wss://, or with nothing',
  ]);
  deepEqual(read("a b").faults, ['Cannot use host "a b": it is no host']);
  deepEqual(read(" , ").faults, ["Cannot read from nowhere: name at least one host"]);
});

Deno.test("an alias stands for one host", () => {
  const faults: string[] = [];
  deepEqual(readHosts(["ws://127.0.0.1:1"], "simulate", faults), [
    { host: "simulate", ws: "ws://127.0.0.1:1", http: "http://127.0.0.1:1" },
  ]);
  readHosts(["a", "b"], "simulate", faults);
  deepEqual(faults, ["Cannot use the alias simulate for several hosts"]);
});
