import assert from "node:assert/strict";
import { printable, terminalWidth, wantsColor } from "./terminal.ts";

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

Deno.test("texts from outside neither steer the terminal nor turn round", () => {
  assert.equal(printable("a\tb\nc é 漢"), "a\tb\nc é 漢");
  assert.equal(printable("\x1b[2J\r\x07\x9b1m"), "\\u001b[2J\\u000d\\u0007\\u009b1m");
  assert.equal(printable("safe\u202etxt.exe"), "safe\\u202etxt.exe");
});
