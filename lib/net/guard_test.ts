import assert from "node:assert/strict";
import { type Address, checkHostname, guardedLookup, type GuardOptions, PrivateAddressError } from "./guard.ts";

/** What a connection's lookup answers. */
function dial(options: GuardOptions, all: boolean): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guardedLookup(options)("a.example", { all }, (error, address, family) => {
      if (error) reject(error);
      else resolve(all ? address : { address, family });
    });
  });
}

const v4 = (address: string): Address => ({ address, family: 4 });

Deno.test("W19: a name that is public at first and private at the second connection is refused there", async () => {
  const answers = [[v4("8.8.8.8")], [v4("10.0.0.5")], [v4("8.8.4.4")]];
  const options = { allowPrivate: false, lookup: () => Promise.resolve(answers.shift()!) };
  assert.deepEqual(await dial(options, false), v4("8.8.8.8"));
  await assert.rejects(dial(options, false), /^PrivateAddressError: 10\.0\.0\.5 is a private address$/);
  assert.deepEqual(await dial(options, false), v4("8.8.4.4"));
});

Deno.test("all addresses of a name are handed on, or none", async () => {
  const mixed = [v4("8.8.8.8"), { address: "fd00::1", family: 6 }];
  const lookup = () => Promise.resolve(mixed);
  await assert.rejects(dial({ allowPrivate: false, lookup }, true), PrivateAddressError);
  assert.deepEqual(await dial({ allowPrivate: true, lookup }, true), mixed);
  assert.deepEqual(await dial({ allowPrivate: false, lookup: () => Promise.resolve([v4("1.1.1.1")]) }, true), [
    v4("1.1.1.1"),
  ]);
});

Deno.test("a lookup that fails or finds nothing", async () => {
  await assert.rejects(
    dial({ allowPrivate: false, lookup: () => Promise.reject(new Error("EAI_AGAIN")) }, true),
    /EAI/,
  );
  await assert.rejects(
    dial({ allowPrivate: true, lookup: () => Promise.resolve([]) }, true),
    /No address of a\.example/,
  );
});

Deno.test("W18: hosts that are addresses", () => {
  const bad = ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", new URL("https://0x7f.1").hostname, "169.254.169.254"];
  for (const hostname of bad) {
    assert.throws(() => checkHostname(hostname, { allowPrivate: false }), PrivateAddressError, hostname);
    checkHostname(hostname, { allowPrivate: true });
  }
  for (const hostname of ["8.8.8.8", "[2606:4700::1111]", "a.example"]) {
    assert.doesNotThrow(() => checkHostname(hostname, { allowPrivate: false }), hostname);
  }
});
