/**
 * Answers of webhook receivers, for the fuzzer.
 *
 * @module
 */
import { judge } from "../lib/sinks/webhook/outcome.ts";
import { createPoster, type Poster } from "../lib/sinks/webhook/post.ts";

const ANSWERS = [
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2037 07:28:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n",
  "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/x?y=z\r\nConnection: close\r\n\r\nThere",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
];

/** Good answers. */
export const answerSamples = (): Uint8Array[] => ANSWERS.map((text) => new TextEncoder().encode(text));

/** So much of an answer is kept, in characters. */
const MOST_KEPT = 1024;
const LONGEST_WAIT_MS = 3_600_000;

let receiver: { readonly poster: Poster; answer: Uint8Array } | undefined;

/** Answers every request with the same bytes, and ends the connection. */
function startReceiver() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/`;
  const started = { poster: createPoster({ url, allowPrivate: true, timeoutMs: 1000, concurrency: 1 }), answer: GOOD };
  const serve = async (conn: Deno.Conn) => {
    using _ = conn;
    await conn.read(new Uint8Array(4096));
    for (let sent = 0; sent < started.answer.length;) sent += await conn.write(started.answer.subarray(sent));
  };
  (async () => {
    for await (const conn of listener) serve(conn).catch(() => {}); // the client may well cut the connection
  })();
  return started;
}

const [GOOD] = answerSamples() as [Uint8Array];

/** Whatever the receiver answers, there is an outcome, with bounds; and its next good answer counts. */
export async function readAnswer(input: Uint8Array): Promise<void> {
  receiver ??= startReceiver();
  const post = async (answer: Uint8Array) => {
    receiver!.answer = answer;
    return judge(await receiver!.poster.post(new TextEncoder().encode("{}"), {}), Date.now());
  };
  const { waitMs, response, error } = await post(input);
  if (!(waitMs >= 0 && waitMs <= LONGEST_WAIT_MS)) throw new Error(`Cannot wait ${waitMs} ms`);
  // deno-lint-ignore no-control-regex -- what must not be there
  if (response.length > MOST_KEPT || /[\x00-\x1f\x7f]/.test(response + error)) {
    throw new Error("Cannot print the answer");
  }
  const { kind } = await post(GOOD);
  if (kind !== "delivered") throw new Error(`Cannot deliver any more: ${kind}`);
}
