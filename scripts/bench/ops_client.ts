/**
 * `ops_client.ts URL RATE`: asks an operations server so many times a second, until its standard input ends.
 *
 * @module
 */
const [url, rate] = Deno.args;
/** What probes, Prometheus, a dashboard and scripts ask for. */
const PATHS = ["/stats", "/readyz", "/status", "/healthz", "/metrics"];

let asked = 0;
const timer = setInterval(async () => {
  const answer = await fetch(url! + PATHS[asked++ % PATHS.length]);
  await answer.body?.pipeTo(new WritableStream());
}, 1000 / Number(rate));
console.log("{}");
await Deno.stdin.readable.pipeTo(new WritableStream());
clearInterval(timer);
