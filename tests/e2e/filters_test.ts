import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { assertCalm, assertMisuse, run, serve, summaryOf } from "../support/program.ts";
import { realTest } from "../support/real_data.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const POST = "app.bsky.feed.post";
const LAST = 'event.kind == "account"';

interface Line {
  readonly did: string;
  readonly kind: string;
  readonly time_us: number;
  readonly commit?: {
    readonly operation: string;
    readonly collection: string;
    readonly record?: { readonly langs?: readonly string[]; readonly reply?: unknown };
  };
}

const isPost = ({ commit }: Line) => commit?.collection === POST && commit.operation !== "delete";
const names = (lang: RegExp) => (line: Line) =>
  !isPost(line) || !!line.commit?.record?.langs?.some((l) => lang.test(l));
const firstBits = (did: string) => createHash("sha256").update(did).digest().readUInt32BE() / 2 ** 32;

/** Each keeps the account event that ends E, so that a run knows when it has seen everything. */
const CASES: readonly {
  readonly args: readonly string[];
  readonly count: number;
  readonly by: (l: Line) => boolean;
}[] = [
  { args: ["--ops", "delete"], count: 6, by: ({ commit }) => !commit || commit.operation === "delete" },
  {
    args: ["--ops", "update", "--ops", "delete"],
    count: 8,
    by: ({ commit }) => !commit || commit.operation !== "create",
  },
  { args: ["--langs", "en"], count: 144, by: names(/^en(-|$)/) },
  { args: ["--langs", "JA, de"], count: 137, by: names(/^(ja|de)$/) },
  { args: ["--sample", "0.5"], count: 85, by: ({ did }) => firstBits(did) < 0.5 },
  {
    args: ["--where", `event.commit.record.langs.exists(l, l == "ja") || ${LAST}`],
    count: 2,
    by: ({ kind, commit }) => kind === "account" || !!commit?.record?.langs?.includes("ja"),
  },
  {
    args: ["--where", `has(event.commit.record.reply) || ${LAST}`],
    count: 9,
    by: ({ kind, commit }) => kind === "account" || commit?.record?.reply !== undefined,
  },
  {
    args: ["--where", `event.time_us > 1783175888090000 || ${LAST}`, "--ops", "create", "--langs", "en"],
    count: 136,
    by: (line) =>
      line.kind === "account" || line.time_us > 1783175888090000 && line.commit?.operation !== "delete" &&
        line.commit?.operation !== "update" && names(/^en(-|$)/)(line),
  },
];

realTest(
  "L16: filters over E: the lines, their number, and what is filtered",
  ["expected_v1.jsonl"],
  async ([path]) => {
    const lines = (await Deno.readTextFile(path!)).trim().split("\n");
    using folder = tempFolder();
    await using server = await serve(folder.path, [path!, "--kind", "legacy"]);
    const source = ["jetstream", "--url", server.v1, "-c", "all", "--cursor", "0", "--sink", "stdout", "--json"];
    for (const { args, count, by } of CASES) {
      const expected = lines.filter((line) => by(JSON.parse(line)));
      assert.equal(expected.length, count, args.join(" "));
      const { code, stdout, stderr } = await run(folder.path, [...source, "-n", String(count), ...args]);
      assert.deepEqual([code, stdout], [0, expected], `${args.join(" ")}\n${stderr.join("\n")}`);
      const { received, filtered, written } = JSON.parse(stderr.at(-1)!);
      assert.deepEqual({ received, filtered, written }, { received: 152, filtered: 152 - count, written: count });
    }
  },
);

realTest("L16: filters in replay", ["expected_v1.jsonl"], async ([path]) => {
  using folder = tempFolder();
  const replay = async (...args: string[]) => {
    const summary = await summaryOf(folder.path, ["replay", path!, "--restart", "--sink", "null", ...args]);
    return [summary.received, summary.written, summary.filtered, summary.dead_lettered];
  };
  assert.deepEqual(await replay("--ops", "delete"), [152, 6, 146, 0]);
  assert.deepEqual(await replay("--where", 'event.commit.record.langs.exists(l, l == "ja")'), [152, 1, 151, 0]);
  assert.deepEqual(await replay("--where", "event.commit.missing"), [152, 0, 152, 0]);
  assert.deepEqual(await replay("--langs", "ja", "--sample", "1"), [152, 136, 16, 0]);
  assert.deepEqual(await replay("--validate", "reject", "--ops", "create"), [152, 146, 6, 0]);
});

Deno.test("L16: --sample 0.5 twice gives the same accounts, on either wire", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01"]);
  const sampled = async (url: string, db: string) => {
    const args = ["--url", url, "-c", "all", "--cursor", "1", "-n", "500", "--sample", "0.5", "--db", db];
    const { received, filtered } = await summaryOf(folder.path, ["jetstream", ...args]);
    assert(filtered > received * 0.3 && filtered < received * 0.7, `${filtered} of ${received}`);
    return readBack(`${folder.path}/${db}`, "SELECT did, time_us FROM events ORDER BY position");
  };
  const first = await sampled(server.v1, "a.db");
  assert.deepEqual(await sampled(server.v1, "b.db"), first);
  assert.deepEqual(await sampled(server.v2, "c.db"), first);
  for (const { did } of first) assert(firstBits(String(did)) < 0.5);
});

Deno.test("what is filtered moves the position: the next run does not read it again", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01"]);
  const args = ["jetstream", "--url", server.v1, "-c", "all"];
  const nothing = await summaryOf(folder.path, [...args, "--where", "false", "--cursor", "1", "-t", "4"]);
  assert.equal(nothing.written, 0);
  assert.equal(nothing.filtered, nothing.received);
  const { seq } = nothing.cursor as { seq: number };
  assert(seq > 100, `${seq}`);
  const rest = await summaryOf(folder.path, [...args, "--where", "event.cursor > 0", "-n", "10"]);
  assert.equal(rest.written, 10);
  const [{ least } = {}] = readBack(`${folder.path}/bskyingest.db`, "SELECT min(seq) AS least FROM events");
  assert.equal(least, seq + 1);
});

Deno.test("L16: options that cannot work: exit 2, the fault and where to look, before anything is opened", async () => {
  using folder = tempFolder();
  const misuse: readonly (readonly [readonly string[], RegExp])[] = [
    [["--where", "event.kind =="], /^Cannot use --where: unexpected token: EOF \(column 14\)$/],
    [["--where", 'evnt.kind == "commit"'], /^Cannot use --where: unknown variable: evnt \(column 1\)$/],
    [["--where", 'event.did.matches("(")'], /^Cannot use --where: error parsing regexp: .* \(column 19\)$/],
    [["--sample", "0"], /--sample.* 0/],
    [["--sample", "1.5"], /--sample.* 1/],
    [["--langs", "en_US"], /^Cannot use --langs en_US: it must be a language tag/],
    [["--ops", "creat"], /--ops.*create, update, delete/],
  ];
  for (const command of [["jetstream", "--url", "ws://127.0.0.1:1/subscribe"], ["replay", "missing.jsonl"]]) {
    for (const [args, fault] of misuse) {
      const end = await run(folder.path, [...command, ...args]);
      assertMisuse(end, fault);
      assertCalm(end);
    }
  }
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
