import assert from "node:assert/strict";
import { sharedElasticsearch, startElasticsearch } from "../support/elasticsearch.ts";
import {
  A,
  createLike,
  createPost,
  deleteLike,
  deletePost,
  LIKE,
  line,
  placeIn,
  POST,
  post,
  replay,
  RKEY,
  SUBJECT,
} from "../support/elasticsearch_replay.ts";
import { assertMisuse, run, serve, summaryOf } from "../support/program.ts";
import { realData } from "../support/real_data.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const NEEDS: readonly ServiceName[] = ["elasticsearch"];
const shared = sharedElasticsearch();
const PROFILE = "app.bsky.actor.profile";

serviceTest(
  "E17: 10,000 likes of a running server are 10,000 documents, and still are when they come again",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      await using server = await serve(folder, []);
      const command = ["jetstream", "--url", server.v1, "--cursor", "0", "--kinds", "commit", "--ops", "create"];
      for (let time = 1; time <= 2; time++) {
        const { written, rejected, duplicates } = await summaryOf(folder, [...command, "-n", "10000", ...args]);
        assert.deepEqual({ written, rejected, duplicates }, { written: 10_000, rejected: 0, duplicates: 0 });
        assert.equal(await shared.es.count(`${prefix}likes`), 10_000);
      }
    }),
);

serviceTest(
  "E21: two processes over the same range at once leave what one leaves",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const [both, one] = [placeIn(shared), placeIn(shared)];
      await using server = await serve(folder, ["--epoch", "2026-01-01"]);
      const args = ["jetstream", "--url", server.v1, "-c", "all", "--cursor", "0", "-n", "3000"];
      const state = (name: string) => ["--state-key", name];
      await Promise.all(["a", "b"].map((key) => summaryOf(folder, [...args, ...both.args, ...state(key)])));
      await summaryOf(folder, [...args, ...one.args, ...state("c")]);
      const documents = async (prefix: string) =>
        (await shared.es.hits(`${prefix}*`)).map(({ _index, _id, _version, _source: { indexed_at: _, ...rest } }) =>
          JSON.stringify([_index.slice(prefix.length), _id, _version, rest])
        ).sort();
      const expected = await documents(one.prefix);
      assert(expected.length > 2000);
      assert.deepEqual(await documents(both.prefix), expected);
    }),
);

serviceTest(
  "E6: a first start makes indices with mapping and alias and no template; a second changes nothing",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const { es } = shared;
      await replay(folder, [createLike(0)], ["--documents", "likes", ...args]);
      const made = await es.json("GET", `/${prefix}*`);
      assert.deepEqual(Object.keys(made), [`${prefix}likes_v1`]);
      const { aliases, mappings, settings } = made[`${prefix}likes_v1`];
      assert.deepEqual(Object.keys(aliases), [`${prefix}likes`]);
      assert.equal(mappings.dynamic, "false");
      assert.deepEqual(Object.keys(mappings.properties).sort(), [
        "at_uri",
        "author_did",
        "created_at",
        "indexed_at",
        "subject_uri",
        "uri",
      ]);
      assert.equal(settings.index.gc_deletes, "1h");
      assert.equal((await es.request("GET", `/_index_template/*${prefix}*`)).body.index_templates?.length ?? 0, 0);
      await replay(folder, [createLike(0)], ["--documents", "likes", ...args]);
      assert.deepEqual(await es.json("GET", `/${prefix}*`), made);
    }),
);

serviceTest(
  "E7, E36: what is missing under --setup check, or cannot be written to, ends the run with status 2",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const command = ["jetstream", "--simulate", "-n", "10", ...args];
      const checked = await run(folder, [...command, "--setup", "check"]);
      assertMisuse(checked, /^Cannot write likes: there is no index or alias t\S+likes on/);
      assert.match(checked.stderr.at(-1)!, /bskyingest elasticsearch setup/);
      for (const name of ["old", "new"]) {
        await shared.es.json("PUT", `/${prefix}${name}`, { aliases: { [`${prefix}likes`]: {} } });
      }
      assertMisuse(await run(folder, command), new RegExp(`alias ${prefix}likes: none of its indices`));
    }),
);

serviceTest(
  "E8: a vector field of another type ends the run with status 2, and is named",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const properties = { embeddings: { properties: { all_MiniLM_L12_v2: { type: "float" } } } };
      await shared.es.json("PUT", `/${prefix}posts_v1`, {
        mappings: { properties },
        aliases: { [`${prefix}posts`]: {} },
      });
      const end = await run(folder, ["jetstream", "--simulate", "-n", "10", "-c", POST, ...args]);
      assertMisuse(end, /embeddings\.all_MiniLM_L12_v2.*float/);
    }),
);

serviceTest(
  "E11, E70, E72: documents of every form, with their keys in order and created_at as it came",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const ref = (uri: string) => ({ uri, cid: "bafyreia" });
      const reply = { root: ref(`${SUBJECT}root`), parent: ref(`${SUBJECT}parent`) };
      const quote = { $type: "app.bsky.embed.record", record: ref(SUBJECT) };
      const lines = [
        createLike(0),
        createPost(1, "plain"),
        line(2, POST, { ...post, reply, embed: quote }, "thread"),
        createPost(3, "gone"),
        deletePost(4, "gone"),
      ];
      await replay(folder, lines, args);
      const keysAndValues = async (kind: string) =>
        [...(await shared.es.documents(prefix + kind)).values()].map(({ indexed_at, ...rest }) => {
          assert.match(String(indexed_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
          return JSON.stringify(rest);
        }).sort();
      const at = (rkey: string) => `at://${A}/${POST}/${rkey}`;
      const content = { author_did: A, content: "Hello", created_at: "2025-10-30T14:34:56+02:00" };
      assert.deepEqual(await keysAndValues("likes"), [
        JSON.stringify({
          uri: `at://${A}/${LIKE}/${RKEY}`,
          subject_uri: SUBJECT,
          author_did: A,
          created_at: "2025-10-30T12:34:56.789Z",
        }),
      ]);
      assert.deepEqual(await keysAndValues("posts"), [
        JSON.stringify({ at_uri: at("plain"), ...content }),
        JSON.stringify({
          at_uri: at("thread"),
          ...content,
          thread_root_post: `${SUBJECT}root`,
          thread_parent_post: `${SUBJECT}parent`,
          quote_post: SUBJECT,
        }),
      ]);
      assert.deepEqual(await keysAndValues("post_tombstones"), [
        JSON.stringify({ at_uri: at("gone"), author_did: A, deleted_at: "2025-10-30T12:35:01.000Z" }),
      ]);
    }),
);

serviceTest("E12: a like is found by uri and by at_uri", NEEDS, () =>
  inFolder(async (folder) => {
    const { args, prefix } = placeIn(shared);
    await replay(folder, [createLike(0), createLike(1, "other")], args);
    await shared.es.json("POST", `/${prefix}likes/_refresh`);
    for (const field of ["uri", "at_uri"]) {
      const query = { term: { [field]: `at://${A}/${LIKE}/${RKEY}` } };
      assert.equal((await shared.es.json("POST", `/${prefix}likes/_count`, { query })).count, 1, field);
    }
  }));

serviceTest(
  "E15: a URI of 600 bytes gets an id that the server takes, the others of its bulk are written",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const long = "r".repeat(512);
      await replay(folder, [createLike(0), createLike(1, long), createLike(2, "other")], args);
      const documents = await shared.es.documents(`${prefix}likes`);
      assert.equal(documents.size, 3);
      const [[id, { uri }]] = [...documents].filter(([id]) => !id.startsWith("at:")) as [[string, { uri: string }]];
      assert.match(id, /^sha256:[0-9a-f]{64}$/);
      assert.equal(uri, `at://${A}/${LIKE}/${long}`);
      await replay(folder, [deleteLike(3, long)], args);
      assert.equal(await shared.es.count(`${prefix}likes`), 2);
    }),
);

for (
  const [how, batches] of [
    ["in one bulk", [[0, 1]]],
    ["in two bulks", [[0], [1]]],
    ["in two bulks, the delete first", [[1], [0]]],
  ] as const
) {
  serviceTest(
    `E18, E78: create and delete of one record ${how} end deleted, a post with its tombstone`,
    NEEDS,
    () =>
      inFolder(async (folder) => {
        const { args, prefix } = placeIn(shared);
        const likes = [createLike(0), deleteLike(1)], posts = [createPost(0), deletePost(1)];
        for (const order of batches) {
          await replay(folder, order.flatMap((at) => [likes[at]!, posts[at]!]), args);
        }
        const counts = ["likes", "posts", "post_tombstones"].map((kind) => shared.es.count(prefix + kind));
        assert.deepEqual(await Promise.all(counts), [0, 0, 1]);
      }),
  );
}

serviceTest(
  "E18: a create after its delete and a restart of the server stays out by --check-tombstones always",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      await using es = await startElasticsearch();
      const args = ["--elasticsearch-url", es.url, "--check-tombstones", "always"];
      await replay(folder, [deletePost(1)], args);
      await es.restart();
      const { elasticsearch } = await replay(folder, [createPost(0), createPost(0, "other")], args);
      assert.equal(elasticsearch?.superseded, 1);
      assert.deepEqual([...(await es.documents("posts")).keys()], [`at://${A}/${POST}/other`]);
      assert.equal(await es.count("post_tombstones"), 1);
    }),
);

serviceTest("E20: what is created again after its delete is there", NEEDS, () =>
  inFolder(async (folder) => {
    const { args, prefix } = placeIn(shared);
    await replay(folder, [createPost(0), createLike(0)], args);
    await replay(folder, [deletePost(1), deleteLike(1)], args);
    await replay(folder, [createPost(2), createLike(2)], args);
    assert.deepEqual([await shared.es.count(`${prefix}posts`), await shared.es.count(`${prefix}likes`)], [1, 1]);
  }));

serviceTest(
  "E76, E77: a like that is deleted, twice, or was never there; --deletes ignore keeps it",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      await replay(folder, [createLike(0), createLike(0, "kept")], args);
      const ignored = await replay(folder, [deleteLike(1)], ["--deletes", "ignore", ...args]);
      assert.equal(ignored.filtered, 1);
      assert.equal(await shared.es.count(`${prefix}likes`), 2);
      for (let time = 1; time <= 2; time++) await replay(folder, [deleteLike(1), deleteLike(1, "never")], args);
      assert.deepEqual([...(await shared.es.documents(`${prefix}likes`)).keys()], [`at://${A}/${LIKE}/kept`]);
      assert.equal(await shared.es.count(`${prefix}post_tombstones`), 0);
    }),
);

serviceTest(
  "E82: a record that is created, updated, deleted and created again is in its last state",
  NEEDS,
  () =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const profile = (second: number, displayName: string, operation = "create") =>
        line(second, PROFILE, { displayName }, "self", operation);
      const states = [profile(0, "a"), profile(1, "b", "update"), line(2, PROFILE, undefined, "self"), profile(3, "d")];
      for (const state of states) await replay(folder, [state], args);
      // What is older does not come back.
      await replay(folder, states.slice(0, 3), args);
      const documents = [...(await shared.es.documents(`${prefix}records`)).values()];
      assert.deepEqual(documents.map(({ record }) => record), [{ $type: PROFILE, displayName: "d" }]);
    }),
);

/** Registers a test over real events, where they and the server are there. */
function realServiceTest(name: string, file: string, fn: (path: string) => Promise<void>): void {
  const path = realData(file);
  if (path === undefined) Deno.test.ignore(`${name} (skipped: no ${file} in BSKYINGEST_REAL_DATA)`, () => {});
  else serviceTest(name, NEEDS, () => fn(path));
}

realServiceTest(
  "E86: the real events, twice: each in its index, created_at as it came",
  "expected_v1.jsonl",
  (path) =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
      const created = new Map<string, string>();
      for (const { did, commit } of lines.map((text) => JSON.parse(text))) {
        const { collection, rkey, record } = commit ?? {};
        if (record?.createdAt) created.set(`at://${did}/${collection}/${rkey}`, record.createdAt);
      }
      for (let time = 1; time <= 2; time++) {
        await replay(folder, lines, args);
        const counts: Record<string, number> = {};
        for (const kind of ["likes", "posts", "post_tombstones", "reposts", "follows", "blocks", "records"]) {
          counts[kind] = await shared.es.count(prefix + kind);
        }
        assert.deepEqual(counts, {
          likes: 105,
          posts: 17,
          post_tombstones: 1,
          reposts: 15,
          follows: 6,
          blocks: 1,
          records: 2,
        });
      }
      for (const { _id, _source } of await shared.es.hits(`${prefix}*`)) {
        if (_source.created_at !== undefined) assert.equal(_source.created_at, created.get(_id), _id);
      }
    }),
);

realServiceTest(
  "E88: odd rkeys, emoji, foreign collections: every commit is written or deleted",
  "golden_v1.jsonl",
  (path) =>
    inFolder(async (folder) => {
      const { args, prefix } = placeIn(shared);
      const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
      await replay(folder, lines, args);
      const left = new Set<string>();
      for (const { did, commit } of lines.map((text) => JSON.parse(text))) {
        if (!commit) continue;
        const uri = `at://${did}/${commit.collection}/${commit.rkey}`;
        if (commit.operation === "delete") left.delete(uri);
        else left.add(uri);
      }
      const hits = await shared.es.hits(`${prefix}*`);
      const uris = hits.filter(({ _index }) => !_index.includes("tombstones")).map(({ _source }) =>
        _source.uri ?? _source.at_uri
      );
      assert.deepEqual(uris.sort(), [...left].sort());
    }),
);
