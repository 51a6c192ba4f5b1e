import assert from "node:assert/strict";
import { startSimulate } from "../../lib/simulate/server.ts";
import { selfSigned } from "../support/certificate.ts";
import { startCli } from "../support/child.ts";
import { assertMisuse, ended, parseSummary } from "../support/program.ts";
import { scriptedS3 } from "../support/scripted_s3.ts";
import { inFolder } from "../support/temp.ts";
import { tlsProxy } from "../support/tls_proxy.ts";

/** Commands that read through TLS, each by another client, as options that name the host. */
const READERS: Readonly<Record<string, (port: number) => readonly string[]>> = {
  firehose: (port) => ["firehose", "--relay-hosts", `wss://localhost:${port}`, "-n", "5"],
  backfill: (port) => ["backfill", "--relay-hosts", `https://localhost:${port}`],
  megastream: (
    port,
  ) => ["megastream", "--source", "s3", "--s3-bucket", "b", "--s3-endpoint", `https://localhost:${port}`],
};

/** A bucket with nothing in it. */
const EMPTY = "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";

for (const [name, argsOf] of Object.entries(READERS)) {
  Deno.test(`${name}: a certificate that nobody trusts ends the run, and says how one's own is`, () =>
    inFolder(async (folder) => {
      await using server = await startSimulate({ repos: [] });
      await using bucket = await scriptedS3(() => ({ body: EMPTY }));
      const port = name === "megastream" ? Number(new URL(bucket.url).port) : server.port;
      const certificate = selfSigned("localhost");
      await using proxy = await tlsProxy(certificate, port);
      const start = (env: Record<string, string>) =>
        startCli([...argsOf(proxy.port), "--sink", "null", "--json"], {
          cwd: folder,
          env: { GE_AWS_S3_ACCESS_KEY: "test", GE_AWS_S3_SECRET_KEY: "test", ...env },
        });
      {
        await using child = start({});
        const end = await ended(child);
        assertMisuse(end, /certificate/);
        assert.match(end.stderr.at(-1)!, /NODE_EXTRA_CA_CERTS/);
      }
      Deno.writeTextFileSync(`${folder}/own.pem`, certificate.cert);
      await using child = start({ NODE_EXTRA_CA_CERTS: `${folder}/own.pem` });
      assert.equal(parseSummary(await ended(child)).exit, 0);
    }));
}
