/**
 * A receiver of webhooks that takes everything at once and keeps nothing, in a process of its own. Prints its address as one line of
 * JSON, and ends with its standard input.
 *
 * @module
 */

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  await request.bytes();
  return new Response(null, { status: 204 });
});
console.log(JSON.stringify({ url: `http://127.0.0.1:${server.addr.port}/` }));
await Deno.stdin.readable.pipeTo(new WritableStream());
await server.shutdown();
