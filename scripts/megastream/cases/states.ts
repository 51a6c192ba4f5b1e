/**
 * What becomes of posts: updates, deletes, copies, accounts. Two files, as much of it happens across files.
 *
 * @module
 */
import { account, deletePost, post, skipped, unseenPost } from "../post.ts";
import { type FileRows, fileRows, type Post } from "../row.ts";

const MINUTE_US = 60_000_000;
/** Who of the people deletes the account: no other case is theirs. */
const LEAVING = 77;

/** Posts of the earlier file that the later one is about. */
export interface Pending {
  readonly deletedLater: Post;
  readonly repeatedLater: Post;
  readonly overriddenLater: Post;
  readonly updatedLater: Post;
  readonly createdLater: Post;
  readonly purged: Post;
}

/** The rows of the earlier file. */
export function stateRows(start: string, rng: number): { readonly file: FileRows; readonly pending: Pending } {
  const file = fileRows(start, { rng });
  const pending = {
    deletedLater: post(file, { shows: "A post that a later file deletes" }),
    repeatedLater: post(file, { shows: "A post that a later file repeats", text: "First.", override: true }),
    overriddenLater: post(file, { shows: "A post that a later file repeats without rev", text: "With rev." }),
    updatedLater: post(file, { shows: "A post that a later file updates", text: "Before." }),
    createdLater: unseenPost(file),
    purged: post(file, { shows: "A post of an account that a later file deletes", author: file.person(LEAVING) }),
  };
  deletePost(file, pending.createdLater, { shows: "A delete whose post comes in a later file, but is older" });
  updateCases(file);
  deleteCases(file);
  copyCases(file);
  accountCases(file);
  otherCases(file);
  return { file, pending };
}

/** The rows of the later file. */
export function laterStateRows(start: string, rng: number, pending: Pending): FileRows {
  const file = fileRows(start, { rng });
  const { deletedLater, repeatedLater, overriddenLater, updatedLater, createdLater, purged } = pending;
  deletePost(file, deletedLater, { shows: "A delete of a post of an earlier file" });
  post(file, {
    shows: "The same post again, which differs: the last one stays",
    text: "Second.",
    of: repeatedLater,
    override: true,
  });
  post(file, {
    shows: "The same post without rev, which is older: nothing happens",
    of: overriddenLater,
    override: true,
  });
  post(file, {
    shows: "An update of a post of an earlier file",
    text: "After.",
    of: updatedLater,
    operation: "update",
  });
  post(file, {
    shows: "A post that was deleted in an earlier file: it stays away",
    of: createdLater,
    revUs: file.timeUs - 10 * MINUTE_US,
  });
  const did = purged.author;
  post(file, { shows: "Another post of the account that goes", author: did });
  account(file, { shows: "The account is deleted", did, active: false, status: "deleted", purges: true });
  post(file, { shows: "A copy of what the account wrote before: it stays away", of: purged, revUs: purged.revUs });
  post(file, { shows: "What the account writes when it is there again", author: did });
  account(file, {
    shows: "An account is deleted that has no post",
    did: file.person(78),
    active: false,
    status: "deleted",
    purges: true,
  });
  return file;
}

function updateCases(file: FileRows): void {
  const first = post(file, { shows: "A post that is updated", text: "Draft." });
  post(file, { shows: "The update of a post", text: "Final.", of: first, operation: "update" });
  const second = post(file, { shows: "An update that comes before its post", text: "New.", operation: "update" });
  post(file, {
    shows: "The post that was updated before it came",
    text: "Old.",
    of: second,
    revUs: second.revUs - MINUTE_US,
  });
  post(file, { shows: "An update of a post that never comes", text: "Only this.", operation: "update" });
}

function deleteCases(file: FileRows): void {
  deletePost(file, post(file, { shows: "A post that is deleted" }), { shows: "The delete of a post" });
  const early = unseenPost(file);
  deletePost(file, early, { shows: "A delete that comes before its post" });
  post(file, {
    shows: "The post that was deleted before it came: it stays away",
    of: early,
    revUs: file.timeUs - MINUTE_US,
  });
  deletePost(file, unseenPost(file), { shows: "A delete of a post that never comes" });
  deletePost(file, unseenPost(file), { shows: "A delete without time_us", without: "time_us" });
  deletePost(file, post(file, { shows: "A post without rev that is deleted", override: true }), {
    shows: "A delete without rev",
    without: "rev",
  });
  const again = post(file, { shows: "A post that is deleted and written again", text: "Once." });
  deletePost(file, again, { shows: "The delete before it is written again" });
  post(file, { shows: "The post that is written again", text: "Once more.", of: again });
  const kept = post(file, { shows: "A post of which an older delete comes late" });
  deletePost(file, kept, { shows: "The delete that is older than the post", atUs: file.timeUs - 5 * MINUTE_US });
}

function copyCases(file: FileRows): void {
  const organic = post(file, { shows: "A post that comes twice", text: "Twice." });
  post(file, { shows: "The same post again", text: "Twice.", of: organic, revUs: organic.revUs });
  post(file, {
    shows: "The same post without rev: it is older",
    text: "Twice, without rev.",
    of: organic,
    override: true,
  });
  const override = post(file, { shows: "A post without rev that comes twice", text: "One.", override: true });
  post(file, {
    shows: "The same again, which differs: the last one stays",
    text: "Two.",
    of: override,
    override: true,
  });
  const revUs = file.timeUs + 60 * MINUTE_US;
  const ahead = post(file, { shows: "A post whose rev is an hour ahead of its time", text: "Ahead.", revUs });
  post(file, { shows: "Its update, whose rev is not", text: "In time.", of: ahead, operation: "update" });
}

function accountCases(file: FileRows): void {
  const did = file.person(76);
  post(file, { shows: "A post of an account that is not deleted", author: did });
  account(file, { shows: "An account that is active", did, active: true });
  for (const status of ["deactivated", "takendown", "suspended", "desynchronized", "throttled"]) {
    account(file, { shows: `An account that is ${status}`, did, active: false, status });
  }
  account(file, { shows: "An account that is not active and does not say why", did, active: false });
  account(file, { shows: "An account that is deleted and active", did, active: true, status: "deleted" });
}

function otherCases(file: FileRows): void {
  skipped(file, {
    shows: "An identity",
    skip: "identity",
    message: (did, timeUs) => ({ kind: "identity", identity: { did, handle: "someone.example", seq: timeUs % 1e9 } }),
  });
  skipped(file, { shows: "A kind that nobody knows", skip: "other_kind", message: () => ({ kind: "wave", wave: {} }) });
  skipped(file, { shows: "No kind and no commit", skip: "other_kind", message: () => ({}) });
  const operation = "create", cid = file.cid(), rkey = "3m3mwyjdeit22";
  skipped(file, {
    shows: "A record of another collection",
    skip: "other_collection",
    message: () => ({
      kind: "commit",
      commit: { operation, collection: "app.bsky.feed.repost", rkey, cid, record: { $type: "app.bsky.feed.repost" } },
    }),
    at_uri: (did) => `at://${did}/app.bsky.feed.repost/${rkey}`,
  });
  skipped(file, {
    shows: "A record of another collection, as its URI says",
    skip: "other_collection",
    message: () => ({ kind: "commit", commit: { operation, rkey, cid, record: {} } }),
    at_uri: (did) => `at://${did}/app.bsky.feed.like/${rkey}`,
  });
  incompleteCases(file);
}

/** Rows of posts that lack something that is not needed. */
function incompleteCases(file: FileRows): void {
  const without = (...names: readonly string[]) => ({ raw_post }: { raw_post: unknown }) => {
    const raw = JSON.parse(String(raw_post));
    for (const name of names) delete (name === "kind" ? raw.message : raw.message.commit)[name];
    return { raw_post: JSON.stringify(raw) };
  };
  post(file, { shows: "A post whose message has no kind", columns: without("kind") });
  post(file, { shows: "A post whose collection only the URI says", columns: without("collection") });
  post(file, { shows: "A post whose key only the URI says", columns: without("rkey") });
  post(file, { shows: "A post without CID", columns: without("cid") });
  post(file, { shows: "A post whose URI only the message says", columns: () => ({ at_uri: "" }) });
  post(file, { shows: "NULL for at_uri", columns: () => ({ at_uri: null }) });
  post(file, { shows: "NULL for did", columns: () => ({ did: null }) });
  post(file, { shows: "NULL for created_at", columns: () => ({ created_at: null }) });
  post(file, {
    shows: "No hydration",
    columns: ({ raw_post }) => ({ raw_post: JSON.stringify({ message: JSON.parse(String(raw_post)).message }) }),
  });
  post(file, { shows: "Members of a record that nobody knows", record: { via: "example", bridgy: { a: [1] } } });
}
