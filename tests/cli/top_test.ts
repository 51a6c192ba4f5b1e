import assert from "node:assert/strict";
import type { Snapshot } from "../../lib/ops/snapshot.ts";
import { cliArgs, cliEnv, runCli } from "../support/cli.ts";
import { commandPath } from "../support/services.ts";
import { brokenSnapshot, busySnapshot } from "../support/snapshots.ts";
import { inFolder } from "../support/temp.ts";

const TOKEN = "0123456789abcdef";

/** An instance that says `snapshot`, and wants the token if there is one. */
function instance(snapshot: Snapshot, token?: string): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (token !== undefined && request.headers.get("authorization") !== `Bearer ${token}`) {
      return Response.json({ error: "Unauthorized" }, { status: 401 });
    }
    return Response.json(request.url.endsWith("/stats") ? snapshot.stats : snapshot.status);
  });
}

Deno.test("T23: top --once and without a terminal: one plain picture that fits into the width", async () => {
  await using server = instance(brokenSnapshot());
  for (const columns of ["80", "40"]) {
    const { code, stdout, stderr } = await runCli(["top", "--once"], {
      env: { METRICS_PORT: String(server.addr.port), COLUMNS: columns, http_proxy: "http://127.0.0.1:1" },
    });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, /^bskyingest /);
    assert.match(stdout, /■ jetstream1\.us-west/);
    assert(!stdout.includes("\x1b"));
    for (const line of stdout.split("\n")) assert(line.length <= Number(columns), line);
  }
});

Deno.test("T23: top --json: what /stats and /status say, once", async () => {
  const { stats, status } = busySnapshot();
  await using server = instance(busySnapshot(), TOKEN);
  const { code, stdout } = await runCli(["top", `127.0.0.1:${server.addr.port}`, "--json", "--listen-token", TOKEN]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { stats, status });
});

Deno.test("T23: no server is exit 1 with the address; a wrong token, no address or none that is one is exit 2", async () => {
  await using server = instance(busySnapshot(), TOKEN);
  const { port } = server.addr;
  const wrong = await runCli(["top", String(port), "--listen-token", "fedcba9876543210"]);
  assert.deepEqual([wrong.code, wrong.stderr.split("\n")[0]], [
    2,
    `Cannot read from 127.0.0.1:${port}: it wants another token`,
  ]);
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = free.addr.port;
  free.close();
  const nobody = await runCli(["top", String(closed)]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, new RegExp(`^Cannot reach 127\\.0\\.0\\.1:${closed}: [^\\n]+\\n$`));
  for (const args of [["top"], ["top", "x:y"], ["top", "0"]]) {
    assert.equal((await runCli(args)).code, 2, args.join(" "));
  }
});

const script = commandPath("script");

for (const [name, key] of [["q", "q"], ["Ctrl-C", "\x03"]] as const) {
  Deno.test({
    name: `T23: on a terminal top draws again and again, ${name} gives the screen back${
      script ? "" : " (skipped: no script)"
    }`,
    ignore: script === undefined,
    fn: () => inFolder((folder) => onTerminal(folder, key)),
  });
}

async function onTerminal(folder: string, key: string): Promise<void> {
  let asked = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    asked++;
    const { stats, status } = busySnapshot();
    return Response.json(request.url.endsWith("/stats") ? { ...stats, totalReceived: asked } : status);
  });
  const words = ["exec", Deno.execPath(), ...cliArgs(["top", String(server.addr.port)])];
  const child = new Deno.Command(script!, {
    args: ["-qec", words.join(" "), "/dev/null"],
    env: { ...cliEnv(folder), TERM: "xterm" },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let shown = "", pressed = false;
  const keys = child.stdin.getWriter();
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    shown += text;
    if (!pressed && shown.split("\x1b[H").length > 3) {
      pressed = true;
      await keys.write(new TextEncoder().encode(key));
    }
  }
  await keys.close().catch(() => {});
  assert.equal((await child.status).code, 0);
  assert(shown.startsWith("\x1b[?1049h\x1b[?25l\x1b[Hbskyingest "), JSON.stringify(shown.slice(0, 80)));
  assert(shown.endsWith("\x1b[?25h\x1b[?1049l"), JSON.stringify(shown.slice(-80)));
  assert(asked >= 6, `${asked} requests`);
}
