import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import {
  megastream,
  megastreamSummary,
  readState,
  rowsByFile,
  statePath,
  statuses,
  storedRows,
  writeFile,
  writeManyRows,
} from "../support/megastream.ts";
import { ended, until } from "../support/program.ts";
import {
  type Behaviour,
  bulkOk,
  failure,
  type Received,
  type ScriptedElasticsearch,
  scriptedElasticsearch,
} from "../support/scripted_elasticsearch.ts";
import { diskTest } from "../support/small_disk.ts";
import { inFolder } from "../support/temp.ts";

const ROWS = 6000;
const BULK = "POST /_bulk";

/** The texts of the posts in a request. */
const postsIn = ({ body }: Received) => [...body.matchAll(/"content":"(Row \d+)\."/g)].map(([, text]) => text!);

/** A server that does with a bulk request what `answer` says. */
function serverWith(answer: (request: Received, count: number) => Behaviour | Promise<Behaviour>) {
  return scriptedElasticsearch({ [BULK]: answer, "POST /_mget": noneFound });
}

/** There are no tombstones. */
function noneFound({ body }: Received): Behaviour {
  const { docs } = JSON.parse(body) as { docs: { readonly _id: string }[] };
  return { body: { docs: docs.map(({ _id }) => ({ _id, found: false })) } };
}

/** Options that lead there. The older tool's state file is not there, so ours is used. */
function into({ url }: ScriptedElasticsearch): string[] {
  return ["--path", "files", "--elasticsearch-url", url, "--setup", "off", "--checkpoint-interval", "20ms"];
}

const rowsOf = (texts: Iterable<string>) => new Set([...texts].map((text) => Number(text.slice("Row ".length))));

Deno.test("M52: Elasticsearch gives up in the middle: exit 1, the file is not processed, the next run goes on at its row", () =>
  inFolder(async (folder) => {
    const name = await writeManyRows(`${folder}/files`, ROWS);
    const later = "mega_jetstream_20260101_000500.db.zip";
    Deno.renameSync(`${folder}/files/${writeFile(`${folder}/files`, "07:00:00")}`, `${folder}/files/${later}`);
    const state = statePath(folder, "elasticsearch");
    const texts = new Set<string>();
    let broken = true, taken = 0;
    await using server = await serverWith((request) => {
      if (broken && texts.size >= ROWS / 3) return failure(503, "unavailable");
      const posts = postsIn(request);
      taken += posts.length;
      posts.forEach((text) => texts.add(text));
      return bulkOk(request);
    });
    const failed = await megastream(folder, [...into(server), "--max-retries", "1", "--concurrency", "3"], 1);
    assert.deepEqual([failed.files.partial, failed.files.processed], [1, 0]);
    const [entry] = readState(state);
    const { filename, status, attempts, cursor = 0, rows } = entry!;
    assert.deepEqual({ filename, status, attempts }, { filename: name, status: "partial", attempts: 1 });
    assert(cursor > 0 && cursor < ROWS, `cursor ${cursor}`);
    const safe = rowsOf(texts);
    for (let row = 1; row <= cursor; row++) assert(safe.has(row), `row ${row} of ${cursor}`);
    assert.equal(rows, cursor, "rows are those up to the cursor");

    broken = false;
    taken = 0;
    const { files } = await megastream(folder, into(server));
    assert.deepEqual([files.processed, files.partial], [2, 0]);
    assert.equal(taken, ROWS - cursor, "it went on at the row");
    assert.equal(rowsOf(texts).size, ROWS);
    assert.deepEqual(statuses(state), { [name]: "processed 1", [later]: "processed 1" });
    assert.equal(readState(state)[0]!.rows, ROWS);
  }));

Deno.test("M45: kill -9 with several writes under way: the state says what is settled up to its cursor, and no more", () =>
  inFolder(async (folder) => {
    const name = await writeManyRows(`${folder}/files`, ROWS);
    const state = statePath(folder, "elasticsearch");
    let killed = false;
    const second = Promise.withResolvers<void>(), third = Promise.withResolvers<Behaviour>();
    // Told apart by their rows: what is sent at once may arrive in any order.
    const holds = (request: Received, row: number) => !killed && postsIn(request).includes(`Row ${row}`);
    await using server = await serverWith(async (request) => {
      if (holds(request, 750)) await second.promise;
      return holds(request, 1250) ? third.promise : bulkOk(request);
    });
    {
      await using child = startCli(["megastream", ...into(server), "--concurrency", "4", "--batch-size", "500"], {
        cwd: folder,
      });
      // The position moves on behind the second write when later ones are settled, and waits for the third.
      await until(() => server.received(BULK).length >= 6, "writes");
      const cursor = () => readState(state)[0]?.cursor ?? 0;
      await until(() => cursor() > 0, "the first position");
      const before = cursor();
      second.resolve();
      await until(() => cursor() > before, "the second position");
      child.kill("SIGKILL");
      await child.status;
      killed = true;
      third.resolve("reset");
    }
    const [{ status, cursor, rows }] = readState(state) as [ReturnType<typeof readState>[0]];
    assert.equal(status, "partial");
    assert.equal(rows, cursor, "rows are those up to the cursor");
    await megastream(folder, into(server));
    const [{ filename, status: last, rows: all }] = readState(state) as [ReturnType<typeof readState>[0]];
    assert.deepEqual([filename, last, all], [name, "processed", ROWS]);
  }));

Deno.test("M58: SIGTERM while a slow sink writes: all that was read is drained, the position is behind it", () =>
  inFolder(async (folder) => {
    await writeManyRows(`${folder}/files`, ROWS);
    const state = statePath(folder, "elasticsearch");
    const texts: string[] = [];
    await using server = await serverWith(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      texts.push(...postsIn(request));
      return bulkOk(request);
    });
    await using child = startCli(["megastream", ...into(server), "--json"], { cwd: folder });
    await until(() => texts.length > 0, "the first write");
    child.kill("SIGTERM");
    const { written, ended_by, exit } = megastreamSummary(await ended(child));
    assert.deepEqual([ended_by, exit], ["signal", 0]);
    assert(written < ROWS);
    const [{ status, cursor, rows }] = readState(state) as [ReturnType<typeof readState>[0]];
    assert.deepEqual({ status, cursor, rows }, { status: "partial", cursor: written, rows: written });
    assert.deepEqual(rowsOf(texts).size, written);

    const second = await megastream(folder, into(server));
    assert.equal(second.written, ROWS - written);
    assert.equal(texts.length, ROWS, "no row twice");
    assert.equal(readState(state)[0]!.rows, ROWS);
  }));

/** In MiB. */
const DISK = 16;

diskTest(
  "M52: a full disk ends the run, or is waited for; with space again each row is there once",
  DISK,
  (disk) =>
    inFolder(async (folder) => {
      const name = await writeManyRows(`${folder}/files`, ROWS, 2500);
      const db = `${disk}/x.db`, ballast = `${disk}/ballast`;
      Deno.writeFileSync(ballast, new Uint8Array(12 * 2 ** 20));
      const args = ["--path", "files", "--db", db];
      const failed = await megastream(folder, [...args, "--max-retries", "1"], 1);
      assert.match(failed.error!, /full/);
      const [{ status, attempts }] = readState(statePath(folder)) as [ReturnType<typeof readState>[0]];
      assert.deepEqual([failed.files.partial, status, attempts], [1, "partial", 1]);
      assert(failed.written > 0 && failed.written < ROWS, `${failed.written} written`);

      await using child = startCli(["megastream", ...args, "--json"], { cwd: folder });
      await child.stderr.waitFor("Cannot write to sqlite, trying again");
      Deno.removeSync(ballast);
      const { written, files } = megastreamSummary(await ended(child));
      assert.deepEqual([written, files.processed], [ROWS - failed.written, 1]);
      assert.deepEqual(rowsByFile(db), { [name]: ROWS });
      assert.deepEqual(storedRows(db).map(({ row }) => row), Array.from({ length: ROWS }, (_, i) => i + 1));
      const [{ rows }] = readState(statePath(folder)) as [ReturnType<typeof readState>[0]];
      assert.equal(rows, ROWS);
    }),
);
