import { deepEqual, equal } from "node:assert/strict";
import { readRow } from "./rows.ts";
import { DELETE, DID, eventOf, OPTIONS, postRow, rejects, RKEY, URI } from "./test_rows.ts";

Deno.test("M33: other collections are skipped, whether the commit names them or the URI", () => {
  const skip = { skip: "other_collection" };
  const at_uri = `at://${DID}/app.bsky.feed.repost/${RKEY}`;
  deepEqual(readRow(postRow({ commit: { collection: "app.bsky.feed.repost" } }), OPTIONS), skip);
  deepEqual(readRow(postRow({ commit: { collection: undefined }, row: { at_uri } }), OPTIONS), skip);
  rejects(postRow({ row: { at_uri } }), "bad_uri");
});

Deno.test("M34: a URI is built where the column has none, from a message that names all parts", () => {
  for (const at_uri of ["", null]) {
    const { did, commit } = eventOf({ row: { at_uri } });
    equal(`at://${did}/${commit.collection}/${commit.rkey}`, URI);
    for (const parts of [{ message: { did: null } }, { commit: { collection: "" } }, { commit: { rkey: undefined } }]) {
      rejects(postRow({ ...parts, row: { at_uri } }), "no_uri");
    }
    rejects(postRow({ commit: { rkey: "a/b" }, row: { at_uri } }), "bad_uri");
  }
});

Deno.test("the URI's word counts where the message lacks parts", () => {
  const { did, commit } = eventOf({
    message: { did: "" },
    commit: { rkey: null, collection: null },
    row: { did: null },
  });
  equal(`at://${did}/${commit.collection}/${commit.rkey}`, URI);
});

for (
  const at_uri of [
    "x",
    `at://${DID}/app.bsky.feed.post`,
    `at://${DID}/app.bsky.feed.post/`,
    `at://${DID}/app.bsky.feed.post/..`,
    `at://${DID}/app.bsky.feed.post/a b`,
    `at://${DID}/app.bsky.feed.post/${"a".repeat(513)}`,
    `${URI}/`,
    `${URI}\n`,
    `${URI}#fragment`,
    ` ${URI}`,
    `at://alice.example/app.bsky.feed.post/${RKEY}`,
    `https://bsky.app/profile/${DID}/post/${RKEY}`,
    `at://did:plc:/app.bsky.feed.post/${RKEY}`,
  ]
) {
  Deno.test(`bad_uri: ${JSON.stringify(at_uri.slice(0, 80))}`, () => {
    rejects(postRow({ row: { at_uri } }), "bad_uri");
  });
}

Deno.test("M35: uri_mismatch where column did, message.did or commit.rkey name another post", () => {
  const did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
  const mismatches = [{ row: { did } }, { message: { did } }, { commit: { rkey: "3other" } }, { commit: { rkey: 5 } }];
  for (const parts of [...mismatches, { row: { did }, commit: DELETE }]) {
    rejects(postRow(parts), "uri_mismatch");
  }
});
