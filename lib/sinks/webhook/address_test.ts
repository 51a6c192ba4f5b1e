import assert from "node:assert/strict";
import type { Address } from "../../net/guard.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { checkTarget, shownUrl } from "./address.ts";
import type { WebhookTarget } from "./options.ts";

const at = (...addresses: string[]) => (): Promise<Address[]> =>
  Promise.resolve(addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
const refused = (target: WebhookTarget, message: RegExp) =>
  assert.rejects(
    checkTarget(target),
    (error) => error instanceof ConfigError && message.test(error.message),
    target.url,
  );

Deno.test("W18: private addresses are refused at the start, however they are spelled, and names that lead to one", async () => {
  const hosts = ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "0x7f.1", "2130706433", "017700000001", "169.254.169.254"];
  for (const host of hosts) await refused({ url: `https://${host}/hook` }, /is a private address$/);
  const lookup = at("8.8.8.8", "10.0.0.5");
  await refused(
    { url: "https://mixed.example/hook?key=abc", lookup },
    /"https:\/\/mixed\.example\/hook": 10\.0\.0\.5 is a private/,
  );
  await checkTarget({ url: "https://127.0.0.1/", allowPrivate: true });
  await checkTarget({ url: "https://mixed.example/", lookup, allowPrivate: true });
  await checkTarget({ url: "https://public.example/", lookup: at("8.8.8.8", "2606:4700::1111") });
});

Deno.test("plain HTTP needs a switch for public addresses, and private ones theirs", async () => {
  await refused({ url: "http://8.8.8.8/" }, /8\.8\.8\.8 is a public address, and http: is not encrypted/);
  await refused({ url: "http://public.example/", lookup: at("8.8.8.8"), allowPrivate: true }, /public address/);
  await refused({ url: "http://10.0.0.1/", allowHttp: true }, /private address/);
  await checkTarget({ url: "http://10.0.0.1/", allowPrivate: true });
  await checkTarget({ url: "http://8.8.8.8/", allowHttp: true });
});

Deno.test("W22: a URL with a password, and what is no URL", async () => {
  await refused({ url: "https://user:hunter22@public.example/" }, /^((?!hunter22).)*must not have a user or password$/);
  for (const url of ["", "public.example", "ftp://public.example/", "https://"]) {
    await refused({ url }, /must begin with https/);
  }
});

Deno.test("a name that cannot be looked up is no fault of the options", async () => {
  await checkTarget({ url: "https://nowhere.example/", lookup: () => Promise.reject(new Error("EAI_AGAIN")) });
});

Deno.test("W44: a URL is shown without query, user and password", () => {
  assert.equal(shownUrl("https://u:p@host.example:8443/a/b?key=secret#x"), "https://host.example:8443/a/b");
});
