import assert from "node:assert/strict";
import { checkRuntime } from "./runtime.ts";

const NOTHING = { hosts: [], read: [], write: [] };

Deno.test("T22: Deno below 2.9 fails", async () => {
  for (const version of ["1.46.3", "2.8.9"]) {
    const { verdict, detail } = await checkRuntime(NOTHING, version);
    assert.deepEqual([verdict, detail], ["fail", `Deno ${version} is too old`]);
  }
  for (const version of ["2.9.0", "2.10.1", "3.0.0"]) {
    assert.deepEqual(await checkRuntime(NOTHING, version), { verdict: "ok", detail: `Deno ${version}` });
  }
});

Deno.test({
  name: "T22: what is not permitted is named as the flags that permit it",
  permissions: { net: ["here:443"], read: ["/a"], write: false, sys: false },
  async fn() {
    const needs = { hosts: ["here:443", "there:443"], read: ["/a", "/b"], write: ["/a", "/a", "/b"] };
    const { verdict, hint } = await checkRuntime(needs);
    assert.deepEqual([verdict, hint], ["fail", "Add --allow-net=there:443 --allow-read=/b --allow-write=/a,/b"]);
    const less = await checkRuntime({ ...NOTHING, hosts: ["here:443"] });
    assert.deepEqual([less.verdict, less.hint], ["warn", "Add --allow-sys=hostname"]);
  },
});
