import { deepEqual, equal, match, ok } from "node:assert/strict";
import { captureLog } from "../../../tests/support/log_records.ts";
import { inFolder } from "../../../tests/support/temp.ts";
import type { CommitEvent } from "../../atproto/event.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { createValidator } from "../validate.ts";

type Json = Record<string, unknown>;

const NOTE = "com.example.note";
const CID = "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

const lexicon = (id: string, defs: Json) => JSON.stringify({ lexicon: 1, id, defs });
const record = (properties: Json, more: Json = {}) => ({
  type: "record",
  key: "tid",
  record: { type: "object", properties, ...more },
});

function commit(collection: string, record: Json): CommitEvent {
  const origin = { source: "test", wire: "v1", host: "localhost" } as const;
  const body = { operation: "create", collection, rkey: "a", record: { $type: collection, ...record } } as const;
  return { kind: "commit", did: "did:plc:a", time_us: 1, origin, commit: body };
}

function write(folder: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    Deno.mkdirSync(`${folder}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${folder}/${name}`, text);
  }
}

/** What the lexicon of one property says about values of it. */
async function faults(property: Json, values: readonly unknown[], more: Json = {}): Promise<boolean[]> {
  let result: boolean[] = [];
  await inFolder(async (folder) => {
    write(folder, { "note.json": lexicon(NOTE, { main: record({ x: property }), ...more }) });
    const { check } = await createValidator({ lexicons: folder });
    result = values.map((x) => check(commit(NOTE, x === undefined ? {} : { x })) === undefined);
  });
  return result;
}

/** The sentences that a folder with these files is refused with, with `DIR` for its path. */
async function refused(files: Record<string, string>): Promise<string[]> {
  let sentences: string[] = [];
  await inFolder(async (folder) => {
    write(folder, files);
    const error = await createValidator({ lexicons: folder }).then(() => undefined, (error) => error);
    ok(error instanceof ConfigError, String(error));
    sentences = error.faults.map((fault) => fault.replaceAll(folder, "DIR"));
  });
  return sentences;
}

Deno.test("lexicons: each type and each of its limits", async () => {
  const tests: [Json, valid: unknown[], invalid: unknown[]][] = [
    [{ type: "boolean" }, [true, undefined], [0, null, "true"]],
    [{ type: "boolean", const: true }, [true], [false]],
    [{ type: "integer" }, [-5, 0, 2 ** 53 - 1], [1.5, "1", 2 ** 53]],
    [{ type: "integer", maximum: 3 }, [-5, 3], [4]],
    [{ type: "integer", minimum: -3 }, [-3, 9], [-4]],
    [{ type: "integer", enum: [-1, 2] }, [-1, 2], [1]],
    [{ type: "string", minLength: 2, maxLength: 4 }, ["ab", "éé"], ["a", "ééé"]],
    [{ type: "string", maxGraphemes: 1 }, ["\u{1F469}\u200D\u{1F4BB}"], ["ab"]],
    [{ type: "string", enum: ["a"] }, ["a"], ["b"]],
    [{ type: "string", knownValues: ["a"] }, ["b"], [1]],
    [{ type: "string", format: "did" }, ["did:plc:abc"], ["alice"]],
    [{ type: "string", format: "datetime" }, ["2026-01-01T00:00:00Z"], ["2026"]],
    [{ type: "string", format: "at-uri" }, ["at://did:plc:abc/app.bsky.feed.post/a"], ["https://a.b"]],
    [{ type: "string", format: "nsid" }, [NOTE], ["a"]],
    [{ type: "bytes", maxLength: 1 }, [{ $bytes: "AA==" }], [{ $bytes: "AAA=" }, "AA=="]],
    [{ type: "cid-link" }, [{ $link: CID }], [CID, { $link: "a" }]],
    [{ type: "unknown" }, [{ a: 1.5 }], ["a", 1]],
    [{ type: "array", items: { type: "integer" }, minLength: 1, maxLength: 2 }, [[1], [1, 2]], [[], [1, 2, 3], ["1"]]],
    [
      { type: "blob", accept: ["image/*"], maxSize: 10 },
      [{ $type: "blob", ref: { $link: CID }, mimeType: "image/png", size: 10 }, { cid: CID, mimeType: "image/png" }],
      [{ $type: "blob", ref: { $link: CID }, mimeType: "image/png", size: 11 }, { ref: { $link: CID } }],
    ],
  ];
  for (const [property, valid, invalid] of tests) {
    deepEqual(
      await faults(property, [...valid, ...invalid]),
      [...valid.map(() => true), ...invalid.map(() => false)],
      JSON.stringify(property),
    );
  }
});

Deno.test("lexicons: references within a document, in unions, to tokens, and in circles", async () => {
  const item = {
    type: "object",
    required: ["n"],
    properties: { n: { type: "integer" }, more: { type: "ref", ref: "#list" } },
  };
  const more = { item, list: { type: "array", items: { type: "ref", ref: `${NOTE}#item` } }, red: { type: "token" } };
  deepEqual(await faults({ type: "ref", ref: "#list" }, [[{ n: 1, more: [{ n: 2 }] }], [{ n: 1, more: [{}] }]], more), [
    true,
    false,
  ]);
  const typed = { $type: `${NOTE}#item`, n: 1 };
  const union = { type: "union", refs: ["#item"] };
  deepEqual(await faults(union, [typed, { $type: "a.b.c" }, { n: 1 }, { ...typed, n: "1" }], more), [
    true,
    true,
    false,
    false,
  ]);
  deepEqual(await faults({ ...union, closed: true }, [typed, { $type: "a.b.c" }], more), [true, false]);
  deepEqual(await faults({ type: "ref", ref: "lex:com.example.note#red" }, [`${NOTE}#red`, "red"], more), [
    true,
    false,
  ]);
});

Deno.test("lexicons: required, nullable, and further members", async () => {
  await inFolder(async (folder) => {
    const main = record({ a: { type: "string" }, b: { type: "string" } }, { required: ["a"], nullable: ["a"] });
    write(folder, { "note.json": lexicon(NOTE, { main }) });
    const { check } = await createValidator({ lexicons: folder });
    deepEqual(
      [{ a: "" }, { a: null, c: 1 }, {}, { a: "", b: null }].map((each) => check(commit(NOTE, each))),
      [undefined, undefined, "missing_value at .a (missing value)", "invalid_type at .b (expected string)"],
    );
  });
});

Deno.test("lexicons: a document may refer to built-in definitions, in folders below too", async () => {
  await inFolder(async (folder) => {
    const properties = {
      subject: { type: "ref", ref: "com.atproto.repo.strongRef" },
      facets: { type: "array", items: { type: "ref", ref: "app.bsky.richtext.facet" } },
      embed: { type: "union", refs: ["app.bsky.embed.external", "app.bsky.richtext.facet#link"] },
    };
    write(folder, { "com/example/note.json": lexicon(NOTE, { main: record(properties) }) });
    const { check } = await createValidator({ lexicons: folder });
    equal(check(commit(NOTE, { subject: { uri: "at://did:plc:abc/app.bsky.feed.post/a", cid: CID } })), undefined);
    match(check(commit(NOTE, { subject: { uri: "x", cid: CID } }))!, /\.subject\.uri \(expected a at-uri/);
    match(check(commit(NOTE, { facets: [{}] }))!, /\.facets\.0/);
    match(check(commit(NOTE, { embed: { $type: "app.bsky.richtext.facet#link" } }))!, /\.embed\.uri/);
    equal(check(commit("app.bsky.feed.like", {})) === undefined, false); // the built-in ones are still there
  });
});

Deno.test("lexicons: a document wins over the built-in one of its NSID, and the log says so", async () => {
  await using log = await captureLog();
  await inFolder(async (folder) => {
    write(folder, { "like.json": lexicon("app.bsky.feed.like", { main: record({ stars: { type: "integer" } }) }) });
    const { check } = await createValidator({ lexicons: folder });
    equal(check(commit("app.bsky.feed.like", { stars: 5 })), undefined);
    match(check(commit("app.bsky.feed.like", { stars: "5" }))!, /\.stars/);
    deepEqual(log.lines.map((line) => line.replaceAll(folder, "DIR")), [
      "info: Lexicons of records in DIR: 1",
      "info: The lexicon of app.bsky.feed.like in DIR replaces the built-in one",
    ]);
  });
});

Deno.test("lexicons: documents of queries and other methods are accepted, and define no record", async () => {
  await inFolder(async (folder) => {
    write(folder, { "q.json": lexicon("com.example.getNote", { main: { type: "query" }, view: { type: "object" } }) });
    const { check } = await createValidator({ lexicons: folder });
    equal(check(commit("com.example.getNote", {})), undefined);
  });
});

Deno.test("lexicons: everything that is wrong is told at once, with file and place", async () => {
  const properties = {
    a: { type: "objekt" },
    b: { type: "string", format: "isbn", maxLength: "9" },
    c: { type: "ref", ref: "com.example.none" },
    d: { type: "union", refs: ["#red", "#none"] },
    e: { type: "array" },
    f: { type: "integer", enum: ["1"] },
    g: 1,
    h: { type: "object" },
    i: { type: "ref" },
  };
  deepEqual(
    await refused({
      "a.json": "{",
      "b.json": "[]",
      "c.json": JSON.stringify({ lexicon: 2, id: NOTE, defs: {} }),
      "d.json": lexicon("note", {}),
      "e.json": JSON.stringify({ lexicon: 1, id: NOTE }),
      "f.json": lexicon(NOTE, { main: record(properties, { required: ["z"] }), red: { type: "token" } }),
      "g.json": lexicon(NOTE, {}),
      "h.json": lexicon("com.example.odd", { main: { type: "ref", ref: "#x" }, x: record({}), y: [] }),
      "package.txt": "not looked at",
    }),
    [
      "Cannot use lexicon DIR/a.json: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
      'Cannot use lexicon DIR/b.json: it must have "lexicon": 1',
      'Cannot use lexicon DIR/c.json: it must have "lexicon": 1',
      "Cannot use lexicon DIR/d.json: it must have an NSID as its id",
      "Cannot use lexicon DIR/e.json: it must have an object as its defs",
      "Cannot use lexicon DIR/g.json: DIR/f.json defines com.example.note too",
      'Cannot use lexicon DIR/f.json: defs.main.record: required names "z", which is not among the properties',
      'Cannot use lexicon DIR/f.json: defs.main.record.properties.a: there is no type "objekt"',
      'Cannot use lexicon DIR/f.json: defs.main.record.properties.b: there is no format "isbn"',
      "Cannot use lexicon DIR/f.json: defs.main.record.properties.b: maxLength must be an integer",
      "Cannot use lexicon DIR/f.json: defs.main.record.properties.e.items: it must be an object",
      "Cannot use lexicon DIR/f.json: defs.main.record.properties.f: const and enum must be of type number",
      "Cannot use lexicon DIR/f.json: defs.main.record.properties.g: it must be an object",
      'Cannot use lexicon DIR/f.json: defs.main.record.properties.h: there is no type "object"',
      "Cannot use lexicon DIR/f.json: defs.main.record.properties.i: ref must be a string",
      "Cannot use lexicon DIR/h.json: defs.main: a ref must be part of another definition",
      "Cannot use lexicon DIR/h.json: defs.x: only main can be a record",
      "Cannot use lexicon DIR/h.json: defs.y: it must be an object",
      'Cannot use lexicon DIR/f.json: defs.main.record.properties.c: there is no definition "com.example.none"',
      'Cannot use lexicon DIR/f.json: defs.main.record.properties.d: "#red" is no object',
      "And 1 more",
    ],
  );
});

Deno.test("lexicons: bounds on size and depth; symbolic links are left out", async () => {
  match((await refused({ "a.json": " ".repeat(1024 * 1024 + 1) }))[0]!, /it has 1048577 bytes, more than 1048576$/);
  match((await refused({ [`${"d/".repeat(32)}a.json`]: "{}" }))[0]!, /it is more than 32 folders deep$/);
  deepEqual(await refused({ "a.txt": "" }), ["Cannot read lexicons in DIR: there is no .json file"]);
  const deep = `{"type":"array","items":`.repeat(20_000) + "{}" + "}".repeat(20_000);
  const nested = `{"lexicon":1,"id":"${NOTE}","defs":{"main":${deep}}}`;
  deepEqual(await refused({ "a.json": nested }), ["Cannot use lexicon DIR/a.json: defs.main: it is nested too deeply"]);
  await using log = await captureLog();
  await inFolder(async (folder) => {
    write(folder, { "a.json": lexicon(NOTE, {}), broken: "{" });
    Deno.symlinkSync(`${folder}/broken`, `${folder}/link.json`);
    Deno.symlinkSync(folder, `${folder}/circle`);
    await createValidator({ lexicons: folder });
    deepEqual(log.lines.slice(0, 2).map((line) => line.replaceAll(folder, "DIR")), [
      "warning: Left out: DIR/circle is a symbolic link",
      "warning: Left out: DIR/link.json is a symbolic link",
    ]);
  });
});
