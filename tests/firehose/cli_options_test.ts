import assert from "node:assert/strict";
import { assertMisuse, filesIn, run } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

const CASES: readonly (readonly [args: string, expected: RegExp])[] = [
  ["firehose --cursor yesterday", /^Cannot use --cursor "yesterday": it must be live, oldest or a sequence number/],
  ["firehose --cursor -1", /^Cannot use --cursor "-1": it must be live, oldest or a sequence number/],
  ["firehose --until 0", /^Cannot use --until "0": it must be an integer of at least 1/],
  ["firehose --idle-timeout soon", /^Cannot use --idle-timeout "soon": it must be auto, off or a duration/],
  ["firehose --verify full", /^Cannot use --verify "full": it must be one of none, blocks/],
  ["firehose --on-future-cursor zero", /^Cannot use --on-future-cursor "zero": it must be one of stop, live, oldest/],
  [
    "firehose --kinds commit,label",
    /^Cannot use --kinds "commit,label": it must be one of commit, identity, account, sync/,
  ],
  ["firehose --max-frame-bytes 0", /^Cannot use --max-frame-bytes "0": it must be at least 1/],
  ["firehose -c app", /^Cannot use collection "app": it must be an NSID or "x\.y\.\*"/],
  ["firehose -c all,app.bsky.feed.post", /^Cannot use "all" beside other collections/],
  ["firehose -d alice", /^Cannot use DID "alice": it is not a DID/],
  ["firehose --dids-file none.txt", /^Cannot read DIDs from none\.txt: /],
  ["firehose --dids-file empty.txt", /^Cannot read DIDs from empty\.txt: there is none/],
  ["firehose --relay-hosts ,", /^Cannot (use --relay-hosts|read from nowhere)/],
  ["firehose --relay-hosts ftp://a.example", /^Cannot use host "ftp:\/\/a\.example": it must begin with https/],
  ["firehose --relay-hosts a.example/xrpc", /^Cannot use host "a\.example\/xrpc": it must be without a path/],
  ["firehose --relay-hosts a.example --simulate", /^Cannot use --(simulate|relay-hosts) together with/],
  ["firehose --relay-hosts a.example,b.example --cursor 7", /^Cannot use cursor 7 with several hosts/],
  ["firehose --relay-hosts a.example,b.example --until 7", /^Cannot use until 7 with several hosts/],
  [
    "firehose --sink redis --format rsky --kinds commit,sync",
    /^Cannot use --kinds sync with --format rsky: its consumers fail on it/,
  ],
  ["firehose --sink redis --redis-maxlen 5 --high-water-mark 5", /^Cannot use .*high-water-mark|^Cannot use .*maxlen/],
  ["firehose --sink redis --redis-url http://a", /^Cannot use --redis-url "http:\/\/a": it must be redis:\/\//],
  ["labeler --labeler-hosts a.example,a.example", /^Cannot use host "a\.example": a\.example is named twice/],
  ["labeler --relay-hosts a.example", /^Cannot use option "--relay-hosts": no such option/],
  ["labeler --cursor x", /^Cannot use --cursor "x": it must be live, oldest or a sequence number/],
  ["backfill --page-size 1001", /^Cannot use --page-size "1001": it must be an integer from 1 to 1000/],
  ["backfill --cursor 7", /^Cannot use option "--cursor": no such option/],
];

for (const [args, expected] of CASES) {
  Deno.test(`misuse: ${args}`, async () => {
    using folder = tempFolder();
    Deno.writeTextFileSync(`${folder.path}/empty.txt`, "# nobody\n\n");
    // A run that begins all the same must end.
    assertMisuse(await run(folder.path, [...args.split(" "), "-t", "5"]), expected);
    assert.deepEqual(filesIn(folder.path), ["empty.txt"], "nothing was made");
  });
}
