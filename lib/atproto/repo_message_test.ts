import { deepEqual, equal, ok } from "node:assert/strict";
import { realTest } from "../../tests/support/real_data.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { splitFrame } from "./frame.ts";
import { decodeRepoMessage } from "./repo_message.ts";
import { cidOf, commitBody, DID, encode, fromHex, Raw, REV, TIME } from "./test_frames.ts";

const decode = (type: string, body: unknown) => decodeRepoMessage(type, encode(body));

function refusal(type: string, body: unknown): string {
  try {
    decode(type, body);
  } catch (error) {
    ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
  return "none";
}

const head = { seq: 7, did: DID, time: TIME };
const GOOD: Readonly<Record<string, Record<string, unknown>>> = {
  "#commit": commitBody([{ record: { $type: "app.bsky.feed.post" } }], { prevData: cidOf(encode(1)) }),
  "#sync": { ...head, rev: REV, blocks: new Uint8Array(3) },
  "#identity": { ...head, handle: "alice.test" },
  "#account": { ...head, active: false, status: "deactivated" },
  "#info": { name: "OutdatedCursor", message: "x" },
};

Deno.test("a commit message, its dead fields ignored whatever they hold", () => {
  const message = decode("#commit", {
    ...GOOD["#commit"],
    blobs: [cidOf(encode(2))],
    tooBig: 5,
    rebase: null,
    since: REV,
  });
  ok(message?.type === "#commit");
  equal(message.did, DID);
  equal(message.since, REV);
  equal(message.outdated, false);
  equal(message.prevData?.toString(), cidOf(encode(1)).toString());
  equal(message.ops.length, 1);
  const legacy = decode("#commit", commitBody([]));
  ok(legacy?.type === "#commit");
  deepEqual([legacy.since, legacy.prevData, legacy.ops], [undefined, undefined, []]);
});

Deno.test("the blocks of a message are a view of the frame", () => {
  const body = encode(GOOD["#commit"]);
  const message = decodeRepoMessage("#commit", body);
  ok(message?.type === "#commit");
  equal(message.blocks.buffer, body.buffer);
});

Deno.test("F17: tooBig and rebase are noticed, commits without them are the rule", () => {
  for (const change of [{ tooBig: true }, { rebase: true }]) {
    const message = decode("#commit", { ...GOOD["#commit"], ...change });
    ok(message?.type === "#commit" && message.outdated);
  }
});

Deno.test("a field that is missing or of the wrong type is named", () => {
  const required: Record<string, readonly string[]> = {
    "#commit": ["seq", "repo", "commit", "rev", "blocks", "ops", "time"],
    "#sync": ["seq", "did", "blocks", "rev", "time"],
    "#identity": ["seq", "did", "time"],
    "#account": ["seq", "did", "time", "active"],
    "#info": ["name"],
  };
  const optional: Record<string, readonly string[]> = {
    "#commit": ["since", "prevData"],
    "#identity": ["handle"],
    "#account": ["status"],
    "#info": ["message"],
  };
  for (const [type, body] of Object.entries(GOOD)) {
    equal(refusal(type, body), "none");
    for (const name of required[type]!) {
      equal(refusal(type, { ...body, [name]: undefined }), `field-${name}`, `${type} without ${name}`);
      equal(refusal(type, { ...body, [name]: null }), `field-${name}`);
      equal(refusal(type, { ...body, [name]: new Raw("a0") }), `field-${name}`);
    }
    for (const name of optional[type] ?? []) {
      equal(refusal(type, { ...body, [name]: null }), "none");
      equal(refusal(type, { ...body, [name]: 5 }), `field-${name}`);
    }
  }
});

Deno.test("fields of the right type with impossible values are refused", () => {
  const commit = GOOD["#commit"]!;
  for (const seq of [0, -1, 1.5]) equal(refusal("#commit", { ...commit, seq }), "field-seq");
  for (const repo of ["", "alice.test", "did:", "did:plc:"]) {
    equal(refusal("#commit", { ...commit, repo }), "field-repo");
  }
  equal(refusal("#commit", { ...commit, commit: cidOf(encode(1)).bytes }), "field-commit");
  equal(refusal("#commit", { ...commit, ops: [{}, "create"] }), "field-ops");
  equal(refusal("#commit", { ...commit, rev: "" }), "field-rev");
  equal(refusal("#commit", { ...commit, ops: Array(10_000).fill({}) }), "none");
  equal(refusal("#commit", { ...commit, ops: Array(10_001).fill({}) }), "field-ops");
});

realTest("F24: an unknown status stays as it is, an absent handle absent", ["synthetic_frames.json"], ([path]) => {
  const hex: Record<string, string> = JSON.parse(Deno.readTextFileSync(path!));
  const decoded = ["account_deleted", "account_unknown_status", "identity_no_handle"].map((name) => {
    const frame = splitFrame(fromHex(hex[name]!));
    ok(frame.kind === "message");
    return decodeRepoMessage(frame.type, frame.body);
  });
  const head = { did: "did:plc:vvpy7d6y2li5yo73cgbszibl", time: "2025-04-16T23:41:00.000Z" };
  deepEqual(decoded, [
    { type: "#account", seq: 140, ...head, active: false, status: "deleted" },
    { type: "#account", seq: 141, ...head, active: false, status: "newstatus" },
    { type: "#identity", seq: 142, ...head, handle: undefined },
  ]);
  const throttled = decode("#account", { ...GOOD["#account"], active: true, status: "throttled" });
  ok(throttled?.type === "#account");
  equal(throttled.status, "throttled");
});
