import assert from "node:assert/strict";
import { megastream, writeBadFile, writeFile } from "../support/megastream.ts";
import { assertMisuse, run } from "../support/program.ts";
import { inFolder } from "../support/temp.ts";

const MISUSE: readonly (readonly [args: string, expected: RegExp])[] = [
  ["", /^Cannot look for files: no folder is named/],
  ["--path nowhere", /nowhere/],
  ["--path files --spool-interval 0.5", /--spool-interval/],
  ["--path files --spool-interval 0", /--spool-interval/],
  ["--path files --sorce local", /--source/],
  ["--path files --mode onec", /once/],
  ["--path files --on-bad-file skipp", /skip/],
  ["--path files --embeddings L13", /L13/],
  ["--path files --since yesterday", /--since/],
  ["--path files --max-db-bytes 0", /--max-db-bytes/],
  ["--source s3", /^Cannot look for files: no bucket is named/],
  ["--source s3 --s3-bucket b --path files", /^Cannot use --path with --source s3/],
  ["--source s3 --s3-bucket b --delete-after", /^Cannot use --delete-after with --source s3/],
  ["--path files --s3-bucket b", /^Cannot use --s3-bucket with --source local/],
  ["--path files --s3-endpoint http://localhost:1", /^Cannot use --s3-endpoint with --source local/],
  ["--path files --temp-dir nowhere", /nowhere/],
];

for (const [args, expected] of MISUSE) {
  Deno.test(`misuse: megastream ${args}`, () =>
    inFolder(async (folder) => {
      writeFile(`${folder}/files`, "07:00:00");
      const end = await run(folder, ["megastream", ...args.split(" ").filter((arg) => arg !== "")]);
      assertMisuse(end, expected);
      assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => /\.db$/.test(name)), []);
    }));
}

Deno.test("what the environment says of the other source does not matter", () =>
  inFolder(async (folder) => {
    writeFile(`${folder}/files`, "07:00:00");
    const env = {
      LOCAL_SQLITE_DB_PATH: "files",
      S3_SQLITE_DB_BUCKET: "b",
      GE_AWS_S3_PREFIX: "p",
      AWS_REGION: "eu-north-1",
    };
    assert.equal((await megastream(folder, [], 0, env)).written, 3);
  }));

Deno.test("several paths, a file by any name, folders only with --recursive", () =>
  inFolder(async (folder) => {
    const [a, b] = [`${folder}/a`, `${folder}/b`];
    writeFile(a, "07:00:00", 1);
    writeFile(`${a}/deeper`, "07:05:00", 2);
    Deno.renameSync(`${b}`.replace(/b$/, `a/${writeFile(a, "07:10:00", 4)}`), `${folder}/other.sqlite`);
    writeFile(b, "07:15:00", 8);
    const paths = ["--path", "a", "--path", "b", "--path", "other.sqlite", "--dry-run", "--sink", "null"];
    const rows = async (...args: string[]) => {
      const { stdout } = await run(folder, ["megastream", ...paths, ...args]);
      return Number(/^All files: (\d+) rows/.exec(stdout.at(-1)!)![1]);
    };
    assert.equal(await rows(), 13);
    assert.equal(await rows("--recursive"), 15);
  }));

Deno.test("the summary for people says what became of files and rows, and which files failed", () =>
  inFolder(async (folder) => {
    writeFile(`${folder}/files`, "07:00:00");
    const bad = writeBadFile(`${folder}/files`, "07:05:00");
    writeFile(`${folder}/files`, "06:00:00");
    const end = await run(folder, ["megastream", "--path", "files", "--since", "2025-10-21T06:30:00Z"]);
    assert.equal(end.code, 3);
    const text = end.stderr.join("\n");
    assert.match(text, /^Wrote 3 events into .*bskyingest\.db \(sqlite\) in [\d.]+ s \([\d,]+\/s\), ended by source$/m);
    assert.match(text, /^files 1 of 2 processed, 1 failed, 1 left alone$/m);
    assert.match(text, new RegExp(`^1 files failed, the oldest is ${bad}: unknown_format: .*\\(attempts 1\\)$`, "m"));
    assert.match(text, /^3 rows: posts 3, replies 0, deletes 0, account deletions 0$/m);
    assert.equal(end.stdout.length, 0);
  }));
