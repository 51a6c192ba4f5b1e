import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { resolveTxt, type ResolveTxtOptions } from "./dns.ts";

/** TXT records, each in one or more pieces, or a code (RFC 1035, section 4.1.1), or silence. */
type Answer = readonly (readonly string[])[] | number | undefined;

interface NameServer extends AsyncDisposable {
  readonly options: ResolveTxtOptions;
  /** Names in the order of the queries. */
  readonly asked: string[];
}

const NXDOMAIN = 3, SERVFAIL = 2;

async function nameServer(answers: Readonly<Record<string, Answer>>): Promise<NameServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (query: Buffer, { port, address }: { port: number; address: string }) => {
    const end = query.indexOf(0, 12);
    const name = query.subarray(13, end).toString("latin1").replaceAll(/[^\w-]/g, ".").toLowerCase();
    asked.push(name);
    const answer = answers[name];
    if (answer !== undefined) socket.send(encode(query, query.subarray(12, end + 5), answer), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    asked,
    options: {
      timeoutMs: 5000,
      signal: new AbortController().signal,
      nameServer: { ipAddr: "127.0.0.1", port: socket.address().port },
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function encode(query: Buffer, question: Buffer, answer: readonly (readonly string[])[] | number): Buffer {
  const code = typeof answer === "number" ? answer : 0, records = typeof answer === "number" ? [] : answer;
  const head = [0x81, 0x80 | code, 0, 1, 0, records.length, 0, 0, 0, 0];
  const data = records.map((pieces) =>
    Buffer.concat(pieces.flatMap((text) => [Buffer.from([text.length]), Buffer.from(text)]))
  );
  // The name is the question's, TXT, IN, a minute.
  const bodies = data.flatMap((each) => [Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, each.length]), each]);
  return Buffer.concat([query.subarray(0, 2), Buffer.from(head), question, ...bodies]);
}

Deno.test("TXT records, pieces put together", async () => {
  await using server = await nameServer({ "_atproto.alice.com": [["did=did:plc:", "abc"], ["v=1"]] });
  assert.deepEqual((await resolveTxt("_atproto.alice.com", server.options)).toSorted(), ["did=did:plc:abc", "v=1"]);
  assert.deepEqual(server.asked, ["_atproto.alice.com"]);
});

Deno.test("no such name, and a name without TXT records; a failure looks the same", async () => {
  await using server = await nameServer({ "no.com": NXDOMAIN, "empty.com": [], "broken.com": SERVFAIL });
  for (const name of ["no.com", "empty.com", "broken.com"]) {
    assert.deepEqual(await resolveTxt(name, server.options), [], name);
  }
  assert.deepEqual(server.asked, ["no.com", "empty.com", "broken.com"]);
});

Deno.test("a name server that is silent", async () => {
  await using server = await nameServer({});
  await assert.rejects(
    resolveTxt("silent.com", { ...server.options, timeoutMs: 50 }),
    /^TransientError: No answer within 0\.05 s$/,
  );
});

Deno.test("the signal ends a lookup with its reason", async () => {
  await using server = await nameServer({});
  const stop = new AbortController();
  const running = resolveTxt("silent.com", { ...server.options, signal: stop.signal });
  stop.abort(new Error("Stopped"));
  await assert.rejects(running, /^Error: Stopped$/);
  await assert.rejects(resolveTxt("silent.com", { ...server.options, signal: stop.signal }), /^Error: Stopped$/);
});
