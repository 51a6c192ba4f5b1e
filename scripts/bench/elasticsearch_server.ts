/**
 * An Elasticsearch that answers at once and keeps nothing, in a process of its own: what is measured against it is the client alone.
 * Prints its address as one line of JSON, and ends with its standard input.
 *
 * @module
 */

const HEADERS = { "content-type": "application/json", "x-elastic-product": "Elasticsearch" };
const ROOT = JSON.stringify({ version: { number: "8.19.0", build_flavor: "default" } });
const WRITTEN = `{"index":{"status":201}}`, DELETED = `{"delete":{"status":200}}`;
const LINE_FEED = 10, LETTER_D = "d".charCodeAt(0);
/** Where an action line says what it is: `{"delete"`. */
const ACTION_AT = 2;

if (import.meta.main) await serve();

async function serve(): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.addr.port}` }));
  await Deno.stdin.readable.pipeTo(new WritableStream());
  await server.shutdown();
}

async function answer(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response(ROOT, { headers: HEADERS });
  const items = itemsOf(await request.bytes());
  return new Response(`{"errors":false,"items":[${items.join(",")}]}`, { headers: HEADERS });
}

/** An answer for each action of a bulk. */
function itemsOf(body: Uint8Array): string[] {
  const items: string[] = [];
  for (let at = 0; at < body.length;) {
    const deletes = body[at + ACTION_AT] === LETTER_D;
    items.push(deletes ? DELETED : WRITTEN);
    at = body.indexOf(LINE_FEED, at) + 1;
    if (!deletes) at = body.indexOf(LINE_FEED, at) + 1;
  }
  return items;
}
