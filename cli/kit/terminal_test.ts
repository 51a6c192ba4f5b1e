import assert from "node:assert/strict";
import { terminalWidth, wantsColor } from "./terminal.ts";

const env = (set: Record<string, string>) => (name: string) => set[name];

Deno.test("colour: --color, then FORCE_COLOR, then NO_COLOR and the terminal decide", () => {
  assert.equal(wantsColor("always", env({ NO_COLOR: "1" }), false), true);
  assert.equal(wantsColor("never", env({ FORCE_COLOR: "1" }), true), false);
  assert.equal(wantsColor("auto", env({ FORCE_COLOR: "1", NO_COLOR: "1" }), false), true);
  assert.equal(wantsColor("auto", env({ FORCE_COLOR: "0" }), true), false);
  assert.equal(wantsColor("auto", env({ NO_COLOR: "1" }), true), false);
  assert.equal(wantsColor("auto", env({ NO_COLOR: "" }), true), true);
  assert.equal(wantsColor("auto", env({ TERM: "dumb" }), true), false);
  assert.equal(wantsColor("auto", env({}), false), false);
});

Deno.test("width: COLUMNS within reason", () => {
  assert.equal(terminalWidth(env({ COLUMNS: "100" })), 100);
  assert.equal(terminalWidth(env({ COLUMNS: "500" })), 120);
});
