import assert from "node:assert/strict";
import { run } from "../support/program.ts";
import { inFolder } from "../support/temp.ts";

Deno.test("OTEL_DENO: Deno sends metrics of the process and a trace of each request, and the run is as ever", () =>
  inFolder(async (folder) => {
    const sent = new Map<string, string>();
    await using collector = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      const { pathname } = new URL(request.url);
      sent.set(pathname, (sent.get(pathname) ?? "") + await request.text());
      return Response.json({});
    });
    const { code, stderr } = await run(folder, ["backfill", "--simulate", "-n", "2000", "--sink", "null"], {
      OTEL_DENO: "true",
      OTEL_SERVICE_NAME: "bskyingest",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    });
    assert.equal(code, 0, stderr.join("\n"));
    assert.match(sent.get("/v1/metrics") ?? "", /"bskyingest"/);
    assert.match(sent.get("/v1/traces") ?? "", /com\.atproto\.sync\.listRepos/);
  }));
