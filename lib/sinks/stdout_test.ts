import assert from "node:assert/strict";
import type { AnyEvent } from "../atproto/event.ts";
import { ConfigError, OutputClosedError } from "../pipeline/errors.ts";
import { ROOT } from "../../tests/support/paths.ts";
import { stdoutSink } from "./stdout.ts";

const never = { signal: new AbortController().signal };

const events = (count: number): AnyEvent[] =>
  Array.from({ length: count }, (_, i) => ({
    kind: "identity",
    did: `did:plc:${i}`,
    time_us: i,
    origin: { source: "jetstream", wire: "v1", host: "h" },
    identity: { did: `did:plc:${i}` },
    raw: `{"i":${i}}`,
  }));

Deno.test("lines come out whole and in order, also when every write takes only some bytes", async () => {
  let text = "";
  const sink = stdoutSink({
    write: (bytes) => {
      const some = bytes.subarray(0, 7);
      text += new TextDecoder().decode(some);
      return Promise.resolve(some.length);
    },
  });
  await sink.write({ items: events(10), cursor: "1", key: "k" }, never);
  assert.equal(text, Array.from({ length: 10 }, (_, i) => `{"i":${i}}\n`).join(""));
});

Deno.test("L9: a reader that has gone is an OutputClosedError, other faults are the user's", async () => {
  const failing = (error: Error) => stdoutSink({ write: () => Promise.reject(error) });
  const batch = { items: events(1), cursor: undefined, key: "k" };
  await assert.rejects(failing(new Deno.errors.BrokenPipe("EPIPE")).write(batch, never), OutputClosedError);
  const full = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
  await assert.rejects(failing(full).write(batch, never), ConfigError);
});

Deno.test("a reader that never reads does not keep an aborted run", async () => {
  const sink = stdoutSink({ write: () => new Promise(() => {}) });
  const controller = new AbortController();
  const writing = sink.write({ items: events(1), cursor: undefined, key: "k" }, { signal: controller.signal });
  controller.abort(new DOMException("Stopped", "AbortError"));
  await assert.rejects(writing, { name: "AbortError" });
});

Deno.test("L9: `| head -1` reaches the sink as an OutputClosedError", async () => {
  const code = `import { stdoutSink } from "${import.meta.resolve("./stdout.ts")}";
    const event = { kind: "identity", raw: "{}" };
    const items = Array.from({ length: 1000 }, () => event);
    const signal = new AbortController().signal;
    try {
      for (;;) await stdoutSink().write({ items, cursor: undefined, key: "k" }, { signal });
    } catch (error) {
      console.error(error.name);
    }`;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const output = child.stdout.getReader();
  assert.match(new TextDecoder().decode((await output.read()).value), /^\{\}\n/);
  await output.cancel();
  const errors = await new Response(child.stderr).text();
  assert.equal(errors, "OutputClosedError\n");
  assert.equal((await child.status).code, 0);
});
