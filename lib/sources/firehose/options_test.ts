import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { ConfigError } from "../../pipeline/errors.ts";
import { firehose } from "../firehose.ts";
import { type FirehoseOptions, makeFirehosePlan } from "./options.ts";

const DID = "did:plc:wq4aajammjtxdomz3e23667t";

function faults(options: FirehoseOptions): readonly string[] {
  let found: readonly string[] = [];
  throws(() => makeFirehosePlan(options), (error) => {
    ok(error instanceof ConfigError);
    found = error.faults;
    return true;
  });
  return found;
}

Deno.test("every fault of the options is told, before anything is asked", () => {
  const options = { hosts: ["a", "b"], cursor: 7, until: 8, kinds: ["x"], operations: [], dids: ["me"] };
  deepEqual(faults({ ...options, collections: ["all", "y"], maxFrameBytes: 0, dedupeWindow: 0.5 }), [
    "Cannot use cursor 7 with several hosts: a sequence number belongs to one host",
    "Cannot use until 8 with several hosts: a sequence number belongs to one host",
    "Cannot use a frame limit of 0: it must be an integer from 1 on",
    'Cannot use kind "x": it must be one of commit, identity, account, sync',
    "Cannot use an empty list of operations: name at least one",
    'Cannot use DID "me": it is not a DID',
    'Cannot use "all" beside other collections: it stands for every collection',
    "Cannot use a dedupe window of 0.5: it must be an integer from 1 on",
  ]);
  deepEqual(faults({ cursor: -1, until: 0, collections: [] }), [
    "Cannot use cursor -1: it must be an integer from 0 on",
    "Cannot use until 0: it must be an integer from 1 on",
    "Cannot use an empty list of collections: name at least one",
  ]);
  for (const name of ["*", "app", "app.bsky.", "a.*.b"]) {
    deepEqual(faults({ collections: [name] }), [
      `Cannot use collection "${name}": it must be an NSID or "x.y.*"; "all" means every collection`,
    ]);
  }
});

Deno.test("F3: a wildcard keeps its last dot; what is not given lets everything pass", () => {
  const { filter, live, verify } = makeFirehosePlan({ collections: ["app.bsky.*", "a.b.c"], dids: [DID] });
  const wanted = ["app.bsky.feed.post", "app.bsky", "app.bskyfoo.x", "a.b.c", "a.b.c.d"].filter(filter.collections!);
  deepEqual(wanted, ["app.bsky.feed.post", "a.b.c"]);
  deepEqual([filter.dids, filter.operations, verify], [new Set([DID]), undefined, "blocks"]);
  deepEqual([live.maxFrameBytes, live.idleTimeout, live.begin, live.deadAfterMs], [5_242_880, "auto", "live", 45_000]);
  const all = makeFirehosePlan({ collections: ["all"] }).filter;
  deepEqual([all.collections, all.kinds], [undefined, new Set(["commit", "identity", "account"])]);
});

Deno.test("the source names its hosts and where their positions are kept", () => {
  const source = firehose({ hosts: ["a", "wss://b:2470/"] });
  deepEqual(source.keys, ["firehose_live:cursor:a", "firehose_live:cursor:b:2470"]);
  deepEqual([source.key, source.hosts], [source.keys[0], ["a", "b:2470"]]);
  equal(firehose().key, "firehose_live:cursor:bsky.network");
});
