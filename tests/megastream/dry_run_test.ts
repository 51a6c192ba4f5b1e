import assert from "node:assert/strict";
import { cliEnv } from "../support/cli.ts";
import {
  copyFixtures,
  golden,
  type GoldenRow,
  megastreamSummary,
  writeBadFile,
  writeFile,
} from "../support/megastream.ts";
import { ROOT } from "../support/paths.ts";
import { assertCalm, type Ended, run } from "../support/program.ts";
import { inFolder } from "../support/temp.ts";

/** Names, times and contents below a folder. */
async function treeOf(folder: string): Promise<unknown[]> {
  const tree: unknown[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const { mtime, mode } = Deno.lstatSync(path);
    const content = isDirectory
      ? await treeOf(path)
      : new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(path)));
    tree.push([name, mtime, mode, content]);
  }
  return tree.sort((a, b) => String(a) < String(b) ? -1 : 1);
}

/** Runs the program without permission for any socket, and to write anywhere but in `temp`. */
async function runApart(folder: string, temp: string, args: readonly string[]): Promise<Ended> {
  const permissions = ["--allow-read", "--allow-env", "--allow-sys", "--deny-net", `--allow-write=${temp}`];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "--no-prompt",
        "--quiet",
        "--cached-only",
        "--no-check",
        "--config",
        `${ROOT}/deno.json`,
        ...permissions,
      ],
      ...[`${ROOT}/mod.ts`, "megastream", ...args],
    ],
    cwd: folder,
    env: cliEnv(folder),
    clearEnv: true,
  }).output();
  const lines = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n").slice(0, -1);
  return { code, stdout: lines(stdout), stderr: lines(stderr) };
}

const ROWS = golden<GoldenRow>("golden_rows.ndjson");
const DOCUMENTS = golden<{ index: string; id: string }>("golden_classic.ndjson");

for (const sink of ["elasticsearch", "sqlite"]) {
  Deno.test(`M57: --dry-run into ${sink}: decodes everything, writes nothing, opens no socket`, () =>
    inFolder((temp) =>
      inFolder(async (folder) => {
        copyFixtures(`${folder}/files`);
        writeBadFile(`${folder}/files`, "09:00:00");
        const before = await treeOf(folder);
        const args = ["--path", "files", "--sink", sink, "--temp-dir", temp];
        const end = await runApart(folder, temp, [...args, "--dry-run", "--delete-after", "--json"]);
        assert.equal(end.code, 3, end.stderr.join("\n"));
        assertCalm(end);
        assert.deepEqual(await treeOf(folder), before);
        assert.deepEqual([...Deno.readDirSync(temp)], []);

        const { files, written, would_write, rows, posts, rejected_rows, ...summary } = megastreamSummary({
          ...end,
          stdout: end.stdout.slice(-1),
        }, 3);
        assert.deepEqual([files.processed, files.failed, written, rows], [16, 1, 0, ROWS.length]);
        assert.equal(would_write, ROWS.filter(({ what }) => what).length);
        assert.equal(posts, ROWS.filter(({ what }) => what === "post").length);
        const sums = JSON.parse(end.stdout.at(-2)!);
        assert.deepEqual([sums.rows, sums.posts, sums.rejected_rows], [rows, posts, rejected_rows]);
        const lines = end.stdout.slice(0, -2).map((line) => JSON.parse(line));
        assert.equal(lines.length, 16, "one for each file that can be read");
        const ofFile = (name: string) => ROWS.filter(({ file }) => file === name);
        for (const { file, rows, posts, replies } of lines.filter((line) => line.rows > 0)) {
          const count = (what: string) => ofFile(file).filter((row) => row.what === what).length;
          assert.deepEqual([rows, posts, replies], [ofFile(file).length, count("post"), count("reply")], file);
        }
        if (sink !== "elasticsearch") return;
        // More is written than is there at the end: some comes twice, some is deleted again.
        const there = DOCUMENTS.filter(({ index }) => index === "posts").length;
        assert(sums.documents.posts >= there && sums.documents.posts <= ROWS.length, JSON.stringify(sums.documents));
        assert(sums.documents.post_tombstones > 0);
        const dropped = ROWS.flatMap(({ vectors_dropped }) => Object.entries(vectors_dropped ?? {}))
          .filter(([model]) => /^all-MiniLM/.test(model)).length;
        const told = Object.values(summary.vectors_dropped).flatMap((reasons) => Object.values(reasons));
        assert.equal(told.reduce((sum, count) => sum + count, 0), dropped);
        const flags = (flag: string) => ROWS.filter(({ created_at_flag }) => created_at_flag === flag).length;
        assert.deepEqual(summary.created_at, { repaired: flags("repaired"), fallback: flags("fallback") });
      })
    ));
}

Deno.test("M57: the same permissions are not enough without --dry-run: the test above can fail", () =>
  inFolder((temp) =>
    inFolder(async (folder) => {
      writeFile(`${folder}/files`, "07:00:00");
      const { code } = await runApart(folder, temp, ["--path", "files", "--temp-dir", temp]);
      assert.notEqual(code, 0);
      const url = ["--elasticsearch-url", "http://127.0.0.1:1", "--max-retries", "1"];
      const there = ["--state-file", `${temp}/state.json`, "--dead-letter", `${temp}/dead.ndjson`];
      const end = await runApart(folder, temp, ["--path", "files", "--temp-dir", temp, ...url, ...there]);
      assert.equal(end.code, 2);
      assert.match(end.stderr.join("\n"), /Cannot reach http:\/\/127\.0\.0\.1:1: no permission/);
    })
  ));

Deno.test("M57: a dry run for people: a line for each file, sums at the end, and again the same", () =>
  inFolder(async (folder) => {
    writeFile(`${folder}/files`, "07:00:00", 2);
    writeFile(`${folder}/files`, "07:05:00", 4);
    for (let time = 1; time <= 2; time++) {
      const { code, stdout } = await run(folder, [
        "megastream",
        "--path",
        "files",
        "--sink",
        "elasticsearch",
        "--dry-run",
      ]);
      assert.equal(code, 0);
      assert.deepEqual(stdout, [
        "mega_jetstream_20251021_070000.db.zip: 2 rows: posts 2, replies 0, deletes 0, account deletions 0; documents: posts 2",
        "mega_jetstream_20251021_070500.db.zip: 4 rows: posts 4, replies 0, deletes 0, account deletions 0; documents: posts 4",
        "All files: 6 rows: posts 6, replies 0, deletes 0, account deletions 0; documents: posts 6",
      ]);
    }
  }));
