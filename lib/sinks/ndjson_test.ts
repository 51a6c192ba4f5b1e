import assert from "node:assert/strict";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Buffer } from "node:buffer";
import type { AnyEvent } from "../atproto/event.ts";
import { ConfigError, LockHeldError } from "../pipeline/errors.ts";
import { readCompressed } from "../../tests/support/compressed.ts";
import { serviceTest } from "../../tests/support/services.ts";
import { ROOT } from "../../tests/support/paths.ts";
import { ndjsonSink } from "./ndjson.ts";
import { inFolder } from "../../tests/support/temp.ts";

const never = { signal: new AbortController().signal };

const event = (raw: string): AnyEvent => ({
  kind: "identity",
  did: "did:plc:abc",
  time_us: 1,
  origin: { source: "jetstream", wire: "v1", host: "h" },
  identity: { did: "did:plc:abc" },
  raw,
});

const batch = (...texts: string[]) => ({ items: texts.map(event), cursor: undefined, key: "k" });

async function append(path: string, ...texts: string[]): Promise<void> {
  await using sink = await ndjsonSink({ path });
  for (const text of texts) await sink.write(batch(text), never);
}

/** What the usual tool makes of a file. */
async function read(path: string): Promise<string> {
  return /\.(gz|zst)$/.test(path) ? await readCompressed(path) : await Deno.readTextFile(path);
}

const KINDS = ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"];

for (const name of KINDS) {
  Deno.test(`L17: a second run appends to ${name}, which the usual tool reads at any time`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/${name}`;
      await append(path);
      assert.equal((await Deno.stat(path)).size, 0);
      await append(path, `{"i":1}`, `{"i":2}`);
      assert.equal(await read(path), `{"i":1}\n{"i":2}\n`);
      await append(path, `{"i":3}`);
      assert.equal(await read(path), `{"i":1}\n{"i":2}\n{"i":3}\n`);
    }));

  Deno.test(`L17: writes of any size are still in ${name} when the next run begins`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/${name}`;
      const lines: string[] = [];
      for (const count of [1, 10, 100, 500, 800, 1200, 1600, 5000]) {
        const more = Array.from({ length: count }, (_, i) => `{"i":${i},"text":"${crypto.randomUUID()}"}`);
        await using sink = await ndjsonSink({ path });
        await sink.write(batch(...more), never);
        lines.push(...more);
      }
      await append(path);
      assert.equal(await read(path), lines.map((line) => `${line}\n`).join(""));
    }));

  Deno.test(`L17: ${name} cut off anywhere keeps its whole writes, and goes on after them`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/${name}`;
      const ends: number[] = [0];
      for (const text of [`{"i":1}`, `{"i":2}`]) {
        await append(path, text);
        ends.push((await Deno.stat(path)).size);
      }
      const whole = await Deno.readFile(path);
      for (let length = 0; length <= whole.length; length++) {
        await Deno.writeFile(path, whole.subarray(0, length));
        await append(path, `{"i":3}`);
        const kept = ends.filter((end) => end > 0 && end <= length).length;
        const expected = [`{"i":1}\n`, `{"i":2}\n`].slice(0, kept).join("") + `{"i":3}\n`;
        assert.equal(await (length % 10 === 0 ? read(path) : decode(path)), expected, `cut at ${length}`);
      }
    }));

  Deno.test(`L17: what a power cut left of ${name} (zeros at the end) is cut off`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/${name}`;
      await append(path, `{"i":1}`);
      const { size } = await Deno.stat(path);
      await append(path, `{"i":2}`);
      const bytes = await Deno.readFile(path);
      await Deno.writeFile(path, bytes.fill(0, bytes.length - 6));
      await append(path, `{"i":3}`);
      await Deno.writeFile(path, new Uint8Array(100_000), { append: true });
      await append(path, `{"i":4}`);
      assert.equal(await read(path), `{"i":1}\n{"i":3}\n{"i":4}\n`);
      assert.ok((await Deno.stat(path)).size < 4 * size);
    }));
}

/** Quicker than a process for each; Deno's zstd takes only one frame, so that the tool must do it. */
function decode(path: string): Promise<string> {
  return path.endsWith(".gz") ? Promise.resolve(gunzipSync(Deno.readFileSync(path)).toString()) : read(path);
}

serviceTest(
  "L17: a compressed file of another program is appended to, and keeps its lines after a cut",
  ["tools"],
  () =>
    inFolder(async (folder) => {
      const old = Array.from({ length: 50_000 }, () => `{"x":${Math.random()}}\n`).join("");
      await Deno.writeTextFile(`${folder}/named.json`, old);
      await new Deno.Command("gzip", { args: ["-k", `${folder}/named.json`] }).output();
      await new Deno.Command("zstd", { args: ["-qk", `${folder}/named.json`] }).output();
      const files: [string, Uint8Array][] = [
        ["a.gz", gzipSync(old)],
        ["b.gz", await Deno.readFile(`${folder}/named.json.gz`)],
        ["c.zst", zstdCompressSync(old)],
        ["d.zst", await Deno.readFile(`${folder}/named.json.zst`)],
      ];
      for (const [name, bytes] of files) {
        const path = `${folder}/${name}`;
        await Deno.writeFile(path, Buffer.concat([bytes, bytes]));
        await append(path, `{"i":1}`);
        const { size } = await Deno.stat(path);
        await append(path, `{"i":2}`);
        await Deno.truncate(path, size + 25);
        await append(path, `{"i":3}`);
        assert.equal(await read(path), `${old}${old}{"i":1}\n{"i":3}\n`, name);
      }
    }),
);

Deno.test("what is not ours and not whole is refused and stays as it is", () =>
  inFolder(async (folder) => {
    const files: [string, Uint8Array][] = [
      ["text.gz", Buffer.from(`{"i":1}\n`.repeat(10))],
      ["text.zst", Buffer.from(`{"i":1}\n`.repeat(10))],
      ["short.gz", Buffer.from("abc")],
      ["cut.gz", gzipSync("x".repeat(1000)).subarray(0, -3)],
      ["cut.zst", zstdCompressSync(Buffer.from("x".repeat(1000))).subarray(0, -1)],
    ];
    for (const [name, bytes] of files) {
      await Deno.writeFile(`${folder}/${name}`, bytes);
      await assert.rejects(ndjsonSink({ path: `${folder}/${name}` }), ConfigError, name);
      assert.deepEqual(await Deno.readFile(`${folder}/${name}`), new Uint8Array(bytes), name);
    }
  }));

Deno.test("L17: an unfinished last line goes, however long it is; a file that is one unfinished line becomes empty", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.ndjson`;
    await Deno.writeTextFile(path, `{"i":1}\n{"x":"${"y".repeat(200_000)}`);
    await append(path, `{"i":2}`);
    assert.equal(await read(path), `{"i":1}\n{"i":2}\n`);
    await Deno.writeTextFile(path, "y".repeat(200_000));
    await append(path);
    assert.equal(await read(path), "");
  }));

Deno.test("L17: kill -9 while writing leaves files that can be read and appended to", () =>
  inFolder(async (folder) => {
    for (const name of KINDS) {
      const path = `${folder}/${name}`;
      const code = `import { ndjsonSink } from "${import.meta.resolve("./ndjson.ts")}";
        const sink = await ndjsonSink({ path: ${JSON.stringify(path)} });
        const items = Array.from({ length: 5000 }, (_, i) => ({ kind: "identity", raw: '{"i":' + i + "}" }));
        const signal = new AbortController().signal;
        for (;;) { await sink.write({ items, cursor: undefined, key: "k" }, { signal }); console.log("written"); }`;
      const child = new Deno.Command(Deno.execPath(), { args: ["eval", code], cwd: ROOT, stdout: "piped" }).spawn();
      const output = child.stdout.getReader();
      for (let i = 0; i < 3; i++) await output.read();
      child.kill("SIGKILL");
      await child.status;
      await output.cancel();
      await append(path, `{"last":true}`);
      const lines = (await read(path)).trimEnd().split("\n");
      assert.equal(lines.pop(), `{"last":true}`);
      assert.ok(lines.length >= 3 * 5000, "three batches were durable");
      assert.ok(lines.every((line, i) => line === `{"i":${i % 5000}}`));
    }
  }));

Deno.test("two processes do not write to one file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.ndjson`;
    await using _first = await ndjsonSink({ path });
    await assert.rejects(ndjsonSink({ path }), LockHeldError);
  }));

Deno.test("a file that was moved away is begun anew", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.ndjson`;
    await using sink = await ndjsonSink({ path });
    await sink.write(batch(`{"i":1}`), never);
    await Deno.rename(path, `${folder}/a.1`);
    await sink.write(batch(`{"i":2}`), never);
    await Deno.remove(path);
    await sink.write(batch(`{"i":3}`), never);
    assert.equal(await read(`${folder}/a.1`), `{"i":1}\n`);
    assert.equal(await read(path), `{"i":3}\n`);
  }));

Deno.test("no folder, a folder, a device: ConfigError naming the file", () =>
  inFolder(async (folder) => {
    for (const path of [`${folder}/no/a.ndjson`, folder, "/dev/null"]) {
      await assert.rejects(ndjsonSink({ path }), (e: unknown) => {
        return e instanceof ConfigError && e.message.startsWith(`Cannot write ${path}: `);
      });
    }
  }));
