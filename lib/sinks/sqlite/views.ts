/**
 * The views of the SQLite sink: what a person wants to see of the log, by functions that SQLite 3.37 has, so that the
 * libraries of Debian, Python and R can read the file too.
 *
 * @module
 */
import { quoted, type SchemaObject, viewName } from "./names.ts";

/** SQLite refuses nesting above 1,000 levels; a row with such a record must not make a whole view fail. */
const JSON_TEXT = "iif(json_valid(json), json, NULL)";
const TIME = "strftime('%Y-%m-%dT%H:%M:%fZ', time_us / 1e6, 'unixepoch') AS time";
const URI = "'at://' || did || '/' || collection || '/' || rkey AS uri";

/** A member of the event. `json` is NULL or valid in `records`; elsewhere `from` guards it. */
function member(path: string, from = JSON_TEXT): string {
  return `json_extract(${from}, '$.${path}')`;
}

/** A member of a commit's record, in a view over `records`. */
function field(path: string): string {
  return member(`commit.record.${path}`, "json");
}

/** Every view of the log `table`, in the order in which they can be made. */
export function viewsOf(table: string): SchemaObject[] {
  const from = quoted(table);
  const view = (name: string, select: string): SchemaObject => ({
    type: "view",
    name: viewName(table, name),
    sql: `CREATE VIEW ${viewName(table, name)} AS\n${select}`,
  });
  const records = viewName(table, "records");
  const pointers = (name: string, collection: string, subject: string) =>
    view(
      name,
      `SELECT position, uri, did, time, ${field("createdAt")} AS created_at, ${field(subject)} AS subject, rev, cid
FROM ${records} WHERE collection = '${collection}'`,
    );
  return [
    view("records", recordsSql(from)),
    view("posts", postsSql(records)),
    pointers("likes", "app.bsky.feed.like", "subject.uri"),
    pointers("reposts", "app.bsky.feed.repost", "subject.uri"),
    pointers("follows", "app.bsky.graph.follow", "subject"),
    pointers("blocks", "app.bsky.graph.block", "subject"),
    view(
      "deletes",
      `SELECT position, ${URI}, did, collection, rkey, ${TIME}, rev
FROM ${from} WHERE kind = 'commit' AND operation = 'delete'`,
    ),
    view(
      "identities",
      `SELECT position, did, ${member("identity.handle")} AS handle, ${TIME}
FROM ${from} WHERE kind = 'identity'`,
    ),
    view(
      "accounts",
      `SELECT position, did, ${member("account.active")} AS active, ${member("account.status")} AS status, ${TIME}
FROM ${from} WHERE kind = 'account'`,
    ),
    view("labels", labelsSql(from)),
    view(
      "repos",
      `SELECT position, did, host, cid AS head, rev, ${member("repo.active")} AS active,
       ${member("repo.status")} AS status, ${TIME}
FROM ${from} JOIN origins ON origins.id = origin WHERE kind = 'repo'`,
    ),
  ];
}

/** Creates and updates that nothing later replaced; "later" is by order of arrival. */
function recordsSql(from: string): string {
  return `SELECT position, ${URI}, did, collection, rkey,
       ${TIME}, rev, cid, ${JSON_TEXT} AS json
FROM ${from} e
WHERE kind = 'commit' AND operation <> 'delete' AND NOT EXISTS (
  SELECT 1 FROM ${from} x WHERE x.did = e.did AND x.collection = e.collection AND x.rkey = e.rkey
     AND x.operation <> 'create' AND x.position > e.position)`;
}

/** A quoted post is the embed itself, or beside media one level deeper. */
function postsSql(records: string): string {
  return `SELECT position, uri, did, time, ${field("createdAt")} AS created_at, ${field("text")} AS text,
       ${field("langs")} AS langs, ${field("reply.root.uri")} AS reply_root,
       ${field("reply.parent.uri")} AS reply_parent,
       coalesce(${field("embed.record.uri")}, ${field("embed.record.record.uri")}) AS quote,
       ${field('embed."$type"')} AS embed, rev, cid
FROM ${records} WHERE collection = 'app.bsky.feed.post'`;
}

/**
 * A later label of the same source, subject and value replaces the earlier one (https://atproto.com/specs/label). `time_us`
 * is `cts`, comparable whatever zone its text names; an expiry that cannot be read does not take a label out of force.
 */
function labelsSql(from: string): string {
  return `SELECT position, src, uri, cid, val, cts, exp FROM (
  SELECT *, row_number() OVER (PARTITION BY src, uri, val, cid ORDER BY time_us DESC, position DESC) AS newest FROM (
    SELECT position, time_us, operation, did AS src, ${member("label.uri")} AS uri, ${member("label.cid")} AS cid,
           ${member("label.val")} AS val, ${member("label.cts")} AS cts, ${member("label.exp")} AS exp
    FROM ${from} WHERE kind = 'label'))
WHERE newest = 1 AND operation <> 'delete' AND ifnull(julianday(exp) > julianday('now'), 1)`;
}
