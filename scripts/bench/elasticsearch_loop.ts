/**
 * The reference: documents into Elasticsearch by hand, without streams, retries, checks or positions. What a careful person would write
 * in an afternoon: bulks of text by `fetch`, as many in flight as the sink has.
 *
 * @module
 */
import { type Message, readMessages } from "./jetstream_loop.ts";

/** Where and how a loop writes. */
export interface LoopTarget {
  readonly url: string;
  /** Put before the kind, as the sink does it. */
  readonly prefix: string;
  /** Documents of a bulk. */
  readonly size: number;
  /** Bulks side by side. */
  readonly concurrency: number;
}

/** Collects documents and sends them when there are enough. */
export interface Bulks {
  add(kind: string, action: "index" | "delete", id: string, version: number, body?: string): void;
  /** Whether the reader has to wait for {@link room}. */
  full(): boolean;
  room(): Promise<void>;
  /** Sends the rest and waits for all. */
  finish(): Promise<void>;
}

/** Answers how many events it has read and written. */
export async function loopJetstream(url: string, events: number, target: LoopTarget): Promise<number> {
  const bulks = openBulks(target);
  let count = 0;
  await readMessages(url, (data, socket) => {
    write(JSON.parse(data.toString()), bulks);
    if (bulks.full()) {
      socket.pause();
      void bulks.room().then(() => socket.resume());
    }
    return ++count >= events;
  });
  await bulks.finish();
  return count;
}

const COLLECTIONS: Readonly<Record<string, string>> = {
  "app.bsky.feed.like": "likes",
  "app.bsky.feed.post": "posts",
  "app.bsky.feed.repost": "reposts",
  "app.bsky.graph.follow": "follows",
  "app.bsky.graph.block": "blocks",
};

function write({ did, time_us, kind, commit, identity, account }: Message, bulks: Bulks): void {
  const version = time_us * 1024;
  const indexed_at = new Date().toISOString();
  const event_at = new Date(time_us / 1000).toISOString();
  if (kind === "identity") {
    bulks.add(
      "identities",
      "index",
      did,
      version,
      JSON.stringify({ did, handle: identity?.handle, event_at, indexed_at }),
    );
  } else if (kind === "account") {
    bulks.add("accounts", "index", did, version, JSON.stringify({ did, ...account, event_at, indexed_at }));
  } else if (commit) {
    const { operation, collection, rkey, cid, rev, record } = commit;
    const uri = `at://${did}/${collection}/${rkey}`;
    const target = COLLECTIONS[collection] ?? "records";
    if (operation === "delete") {
      const tombstone = { at_uri: uri, author_did: did, deleted_at: event_at, indexed_at };
      if (target === "posts") bulks.add("post_tombstones", "index", uri, version, JSON.stringify(tombstone));
      bulks.add(target, "delete", uri, version);
    } else {
      const more = target === "records" ? { collection, rkey, cid, rev, record } : fieldsOf(target, record!);
      const document = { [target === "likes" ? "uri" : "at_uri"]: uri, author_did: did, ...more };
      const body = JSON.stringify({ ...document, created_at: record!.createdAt, indexed_at });
      bulks.add(target, "index", uri, version, body);
    }
  }
}

// deno-lint-ignore no-explicit-any
function fieldsOf(kind: string, record: any): object {
  if (kind === "posts") {
    const { text, reply, embed } = record;
    return {
      content: text ?? "",
      thread_root_post: reply?.root.uri,
      thread_parent_post: reply?.parent.uri,
      quote_post: embed?.record?.uri,
    };
  }
  return kind === "follows" || kind === "blocks"
    ? { subject_did: record.subject }
    : { subject_uri: record.subject.uri };
}

/** A post with a vector. */
export interface VectorPost {
  readonly uri: string;
  readonly did: string;
  readonly text: string;
  readonly time_us: number;
  readonly vector: Float32Array;
}

/** Answers how many posts it has written, vectors as `JSON.stringify` prints them. */
export async function loopVectors(posts: readonly VectorPost[], target: LoopTarget): Promise<number> {
  const bulks = openBulks(target);
  for (const { uri, did, text, time_us, vector } of posts) {
    const at = new Date(time_us / 1000).toISOString();
    const embeddings = { all_MiniLM_L12_v2: [...vector] };
    const body = {
      at_uri: uri,
      author_did: did,
      content: text,
      created_at: at,
      embeddings,
      indexed_at: new Date().toISOString(),
    };
    bulks.add("posts", "index", uri, time_us * 1024, JSON.stringify(body));
    if (bulks.full()) await bulks.room();
  }
  await bulks.finish();
  return posts.length;
}

/** Bulks in the order in which they are filled. */
export function openBulks({ url, prefix, size, concurrency }: LoopTarget): Bulks {
  let lines: string[] = [];
  let actions = 0;
  let failure: unknown;
  const inFlight = new Set<Promise<void>>();
  const send = () => {
    const body = lines.join("");
    lines = [];
    actions = 0;
    const sent = post(url, body).catch((error) => failure ??= error).finally(() => inFlight.delete(sent));
    inFlight.add(sent);
  };
  return {
    add(kind, action, id, version, body) {
      const head = { [action]: { _index: prefix + kind, _id: id, version, version_type: "external_gte" } };
      lines.push(JSON.stringify(head), "\n");
      if (body !== undefined) lines.push(body, "\n");
      if (++actions >= size) send();
    },
    full: () => inFlight.size >= concurrency,
    async room() {
      while (inFlight.size >= concurrency) await Promise.race(inFlight);
    },
    async finish() {
      if (actions > 0) send();
      await Promise.all(inFlight);
      if (failure !== undefined) throw failure;
    },
  };
}

/** Something newer may be there: that is no failure. */
async function post(url: string, body: string): Promise<void> {
  const response = await fetch(`${url}/_bulk?filter_path=errors,items.*.status`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`Cannot write: ${response.status} ${JSON.stringify(answer)}`);
  // deno-lint-ignore no-explicit-any
  const statuses: number[] = answer.items.map((item: any) => (item.index ?? item.delete).status);
  const refused = statuses.find((status) => status >= 300 && status !== 404 && status !== 409);
  if (refused !== undefined) throw new Error(`Cannot write: a document was refused with ${refused}`);
}
