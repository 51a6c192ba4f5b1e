import assert from "node:assert/strict";
import { writeTinyFiles } from "../../scripts/megastream/many.ts";
import { type Child, startCli } from "../support/child.ts";
import { assertFinding, examine } from "../support/doctor.ts";
import {
  fileBytes,
  fileName,
  megastream,
  megastreamSummary,
  readState,
  rowsByFile,
  statePath,
  storedRows,
  untilProcessed,
  writeManyRows,
} from "../support/megastream.ts";
import { assertMisuse, ended, fileExists, run } from "../support/program.ts";
import { randomFrom } from "../support/random.ts";
import { S3_CREDENTIALS, sharedS3 } from "../support/s3.ts";
import { bulkOk, type Received, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";
import { type S3Request, scriptedS3 } from "../support/scripted_s3.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const NEEDS: readonly ServiceName[] = ["s3"];
const s3 = sharedS3();
const { accessKeyId, secretAccessKey } = S3_CREDENTIALS;
const AWS = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };

const from = (bucket: string, url = s3().url) => ["--source", "s3", "--s3-bucket", bucket, "--s3-endpoint", url];

/** Puts files with three posts each. */
async function putFiles(bucket: string, times: readonly string[], prefix = ""): Promise<string[]> {
  await s3().put(bucket, times.map((time) => [`${prefix}${fileName(time)}`, fileBytes(time)] as const));
  return times.map(fileName);
}

serviceTest(
  "M61: 1,500 keys over two pages, in time order, each row once; a second run gets none of them",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const bucket = await s3().bucket();
      Deno.mkdirSync(`${folder}/made`);
      await writeTinyFiles(`${folder}/made`, 1500);
      const names = [...Deno.readDirSync(`${folder}/made`)].map(({ name }) => name).sort();
      const random = randomFrom(1);
      const shuffled = names.map((name) => ({ name, at: random() })).sort((a, b) => a.at - b.at);
      await s3().put(bucket, shuffled.map(({ name }) => [name, Deno.readFileSync(`${folder}/made/${name}`)]));
      await using server = await scriptedS3(() => ({}), s3().url);
      const args = from(bucket, server.url);
      const lists = (requests: readonly S3Request[]) => requests.filter(({ query }) => query.has("list-type")).length;

      const { files, written } = await megastream(folder, args, 0, AWS);
      assert.deepEqual([files.eligible, files.processed, written], [1500, 1500, 2250]);
      assert.deepEqual([lists(server.requests), server.requests.length], [2, 1502]);
      const stored = storedRows(`${folder}/bskyingest.db`).map(({ file }) => file);
      assert.deepEqual([...new Set(stored)], names);
      assert.equal(stored.length, 2250);

      const second = await megastream(folder, args, 0, AWS);
      assert.deepEqual([second.files.eligible, second.written], [0, 0]);
      assert.deepEqual([lists(server.requests), server.requests.length], [4, 1504], "nothing is downloaded");
    }),
);

serviceTest(
  "T22: doctor asks a bucket for one listing, and says what it answers",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const bucket = await s3().bucket();
      await putFiles(bucket, ["07:00:00"]);
      await using server = await scriptedS3(() => ({}), s3().url);
      const there = await examine(folder, ["megastream", ...from(bucket, server.url)], AWS);
      assertFinding(there.get("files"), "ok", new RegExp(`^s3://${bucket}/ can be listed$`));
      assert.equal(server.requests.length, 1);
      const none = await examine(folder, ["megastream", ...from("no-such-bucket", server.url)], AWS);
      assert.deepEqual(none.of("fail"), ["files"]);
    }),
);

serviceTest("M63: a download that breaks off half-way goes on there", NEEDS, () =>
  inFolder(async (folder) => {
    const bucket = await s3().bucket();
    // More than sockets hold: some of it has come when the connection breaks.
    const name = await writeManyRows(`${folder}/made`, 1000, 20_000);
    const bytes = Deno.readFileSync(`${folder}/made/${name}`);
    await s3().put(bucket, [[name, bytes]]);
    const half = Math.floor(bytes.length / 2);
    let cut = 0;
    await using server = await scriptedS3(
      ({ path }) => path.endsWith(name) && cut++ === 0 ? { cutAfter: half } : {},
      s3().url,
    );
    const { files, written } = await megastream(folder, from(bucket, server.url), 0, AWS);
    assert.deepEqual([files.processed, files.failed, written], [1, 0, 1000]);
    const gets = server.requests.filter(({ path }) => path.endsWith(name)).map(({ headers }) => headers["range"]);
    assert.equal(gets.length, 2);
    assert.equal(gets[0], undefined);
    assert.match(gets[1]!, /^bytes=[1-9]\d*-$/);
  }));

serviceTest(
  "M65: a wrong secret and a missing bucket are exit 2 with the service's code",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const bucket = await s3().bucket();
      await putFiles(bucket, ["07:00:00"]);
      const wrong = { ...AWS, AWS_SECRET_ACCESS_KEY: "not-the-secret" };
      assertMisuse(await run(folder, ["megastream", ...from(bucket)], wrong), /SignatureDoesNotMatch/);
      assertMisuse(
        await run(folder, ["megastream", ...from(bucket)], { ...AWS, AWS_ACCESS_KEY_ID: "nobody" }),
        /InvalidAccessKeyId/,
      );
      assertMisuse(await run(folder, ["megastream", ...from("test-no-such-bucket")], AWS), /NoSuchBucket/);
      assert(!fileExists(statePath(folder)), "nothing was noted");
      // With what is right it works in the same place.
      assert.equal((await megastream(folder, from(bucket), 0, AWS)).written, 3);
    }),
);

serviceTest("names and keys that ingex had are taken", NEEDS, () =>
  inFolder(async (folder) => {
    const bucket = await s3().bucket();
    const [name] = await putFiles(bucket, ["07:00:00"], "a/b/");
    await putFiles(bucket, ["07:05:00"]);
    const env = {
      GE_AWS_S3_BUCKET: bucket,
      GE_AWS_S3_PREFIX: "a/b/",
      GE_AWS_S3_ACCESS_KEY: accessKeyId,
      GE_AWS_S3_SECRET_KEY: secretAccessKey,
      LOCAL_SQLITE_DB_PATH: "ignored",
    };
    const args = ["--source", "s3", "--s3-endpoint", s3().url];
    const { files, source } = await megastream(folder, args, 0, env);
    assert.deepEqual([files.processed, source], [1, `s3://${bucket}/a/b/`]);
    assert.deepEqual(rowsByFile(`${folder}/bskyingest.db`), { [name!]: 3 });
    assertMisuse(
      await run(folder, ["megastream", ...args], { ...env, GE_AWS_S3_SECRET_KEY: "" }),
      /^Cannot use GE_AWS_S3_ACCESS_KEY without GE_AWS_S3_SECRET_KEY/,
    );
  }));

serviceTest("M62: below a prefix, folders only with --recursive", NEEDS, () =>
  inFolder(async (folder) => {
    const bucket = await s3().bucket();
    await putFiles(bucket, ["07:00:00"], "p/");
    await putFiles(bucket, ["07:05:00"], "p/deeper/");
    await putFiles(bucket, ["07:10:00"], "q/");
    const args = [...from(bucket), "--s3-prefix", "p/"];
    await megastream(folder, args, 0, AWS);
    assert.deepEqual(Object.keys(rowsByFile(`${folder}/bskyingest.db`)), [fileName("07:00:00")]);
    const { files } = await megastream(folder, [...args, "--recursive"], 0, AWS);
    assert.deepEqual([files.processed, files.eligible], [1, 1]);
    const names = readState(statePath(folder)).map(({ filename }) => filename);
    assert.deepEqual(names, [fileName("07:00:00"), `deeper/${fileName("07:05:00")}`]);
  }));

async function stop(child: Child) {
  child.kill("SIGTERM");
  return megastreamSummary(await ended(child));
}

serviceTest(
  "spooling from a bucket: what comes is read, late files too; SIGTERM ends it with 0",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const bucket = await s3().bucket(), state = statePath(folder);
      await putFiles(bucket, ["07:00:00"]);
      const temp = `${folder}/temp`;
      Deno.mkdirSync(temp);
      const args = [...from(bucket), "--mode", "spool", "--spool-interval", "1s", "--json", "--temp-dir", temp];
      await using child = startCli(["megastream", ...args], { cwd: folder, env: AWS });
      await untilProcessed(state, fileName("07:00:00"));
      await putFiles(bucket, ["07:05:00", "06:00:00"]);
      await untilProcessed(state, fileName("06:00:00"));
      await untilProcessed(state, fileName("07:05:00"));
      const { files, written, exit, ended_by } = await stop(child);
      assert.deepEqual([files.processed, written, exit, ended_by], [3, 9, 0, "signal"]);
      assert.deepEqual([...Deno.readDirSync(temp)], []);
    }),
);

serviceTest("spooling from a bucket whose server fails for a while goes on", NEEDS, () =>
  inFolder(async (folder) => {
    const bucket = await s3().bucket(), state = statePath(folder);
    await putFiles(bucket, ["07:00:00"]);
    let failures = 0;
    await using server = await scriptedS3(() => failures++ < 2 ? { status: 503, body: "" } : {}, s3().url);
    await using child = startCli(
      ["megastream", ...from(bucket, server.url), "--mode", "spool", "--spool-interval", "1s", "--json"],
      { cwd: folder, env: AWS },
    );
    await untilProcessed(state, fileName("07:00:00"));
    assert.equal((await stop(child)).written, 3);
    assert(failures > 2);
  }));

serviceTest(
  "M69: the next file is fetched while one is written, and no more than that",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const bucket = await s3().bucket();
      const names = await putFiles(bucket, ["07:00:00", "07:05:00", "07:10:00"]);
      const journal: string[] = [];
      const second = Promise.withResolvers<void>();
      await using server = await scriptedS3(({ path }) => {
        const number = names.findIndex((name) => path.endsWith(name));
        if (number >= 0) journal.push(`get ${number + 1}`);
        if (number === 1) second.resolve();
        return {};
      }, s3().url);
      await using es = await scriptedElasticsearch({
        "POST /_mget": ({ body }: Received) => ({
          body: { docs: JSON.parse(body).docs.map(() => ({ found: false })) },
        }),
        "POST /_bulk": async (request, count) => {
          // It comes although this one is not answered; a third one would have time to come as well.
          if (count === 0) await second.promise.then(() => new Promise((resolve) => setTimeout(resolve, 300)));
          journal.push(`written ${count + 1}`);
          return bulkOk(request);
        },
      });
      const args = [...from(bucket, server.url), "--elasticsearch-url", es.url, "--setup", "off"];
      assert.equal((await megastream(folder, args, 0, AWS)).files.processed, 3);
      const at = (what: string) => journal.indexOf(what);
      assert(at("get 2") < at("written 1") && at("written 1") < at("get 3"), journal.join(", "));
      assert.deepEqual(journal.filter((each) => each.startsWith("get")), ["get 1", "get 2", "get 3"]);
    }),
);
