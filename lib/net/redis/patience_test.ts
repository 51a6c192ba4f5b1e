import assert from "node:assert/strict";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { patiently } from "./patience.ts";

Deno.test("what fails for a while is tried until it works, and that is said once", async () => {
  const said: string[] = [];
  let attempts = 0;
  const work = () => ++attempts < 3 ? Promise.reject(new TransientError(`Away ${attempts}`)) : Promise.resolve("here");
  assert.equal(await patiently(work, undefined, (error) => said.push(error)), "here");
  assert.deepEqual([attempts, said], [3, ["Away 1"]]);
});

Deno.test("waiting ends when it is to stop, and with what only the user can mend", async () => {
  const stop = new AbortController();
  const away = patiently(() => Promise.reject(new TransientError("Away")), stop.signal, () => {});
  stop.abort(new Error("Stopped"));
  await assert.rejects(away, /Stopped/);
  await assert.rejects(patiently(() => Promise.reject(new ConfigError("Wrong")), undefined, () => {}), ConfigError);
  const gone = () => Promise.reject(new TransientError("Gone"));
  await assert.rejects(patiently(gone, undefined, () => {}, (error) => error instanceof TransientError), /Gone/);
});
