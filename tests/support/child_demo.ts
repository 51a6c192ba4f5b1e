/**
 * What child_test.ts starts: says `ready`, then a number every 5 ms up to its argument; on SIGTERM it says `bye` and ends with status 3.
 *
 * @module
 */
const count = Number(Deno.args[0]);
console.error("started", Deno.env.get("GREETING"));
let i = 0;
const timer = setInterval(() => {
  console.log(++i);
  if (i >= count) end();
}, 5);
const end = (): void => {
  clearInterval(timer);
  Deno.removeSignalListener("SIGTERM", stop);
};
const stop = (): void => {
  end();
  console.log("bye");
  Deno.exitCode = 3;
};
Deno.addSignalListener("SIGTERM", stop);
console.log("ready");
