/**
 * Documents in memory behind the scripted Elasticsearch: enough to see what a sequence of bulks leaves behind.
 *
 * @module
 */
import type { Received, Reply, Script } from "./scripted_elasticsearch.ts";

/** An action of a bulk, and its document. */
export interface Action {
  readonly action: "index" | "delete";
  readonly index: string;
  readonly id: string;
  /** As it was printed, which a JavaScript number could not show. */
  readonly version: string;
  readonly document?: Readonly<Record<string, unknown>>;
}

/** What a bulk asks for, in its order. */
export function actionsOf({ body }: Pick<Received, "body">): Action[] {
  const lines = body.split("\n").filter((line) => line !== "");
  const actions: Action[] = [];
  for (let i = 0; i < lines.length; i++) {
    const [action, place] = Object.entries(JSON.parse(lines[i]!))[0] as ["index" | "delete", Record<string, string>];
    if (place.version_type !== "external_gte") throw new Error(`Unexpected version type in ${lines[i]}`);
    const version = /"version":(\d+)[,}]/.exec(lines[i]!)![1]!;
    const document = action === "index" ? { document: JSON.parse(lines[++i]!) } : {};
    actions.push({ action, index: place._index!, id: place._id!, version, ...document });
  }
  return actions;
}

/** What is said of one action. */
export interface ItemReply {
  readonly status: number;
  readonly error?: { readonly type: string; readonly reason: string; readonly caused_by?: { readonly reason: string } };
}

/** Answers to a bulk item by item; undefined: it worked. */
export function itemReplies(
  request: Received,
  answer: (action: Action, place: number) => ItemReply | undefined,
): Reply {
  const items = actionsOf(request).map((action, place) => ({
    [action.action]: answer(action, place) ?? { status: 200 },
  }));
  const errors = items.some((item) => Object.values(item).some((result) => result.error !== undefined));
  return { body: { errors, items } };
}

/** A conflict of versions, as the server words it. */
export const CONFLICT: ItemReply = {
  status: 409,
  error: { type: "version_conflict_engine_exception", reason: "version conflict, current version is higher" },
};

/** What is stored. */
export interface MemoryElasticsearch {
  /** For the server: bulks, and the requests of a purge. */
  readonly script: Script;
  /** Documents by `INDEX/_id`. */
  readonly documents: Map<string, Readonly<Record<string, unknown>>>;
  /** Versions by `INDEX/_id`, of deleted documents too. */
  readonly versions: Map<string, bigint>;
  /** Carries out a bulk. */
  bulk(request: Received): Reply;
  /** Forgets the versions of what is not there, as a restart of the real one does. */
  restart(): void;
}

/** A store that takes versions as `external_gte` says. Every alias is the index of that name. */
export function memoryElasticsearch(): MemoryElasticsearch {
  const documents: MemoryElasticsearch["documents"] = new Map();
  const versions: MemoryElasticsearch["versions"] = new Map();
  const carryOut = ({ action, index, id, version, document }: Action): ItemReply | undefined => {
    const key = `${index}/${id}`;
    if (BigInt(version) < (versions.get(key) ?? 0n)) return CONFLICT;
    versions.set(key, BigInt(version));
    if (action === "index") documents.set(key, document!);
    else if (!documents.delete(key)) return { status: 404 };
    return undefined;
  };
  const bulk = (request: Received) => itemReplies(request, carryOut);
  const restart = () => {
    for (const key of versions.keys()) if (!documents.has(key)) versions.delete(key);
  };
  return { documents, versions, bulk, restart, script: { "POST /_bulk": bulk, ...searches(documents, versions) } };
}

const PURGED = ["posts", "likes,reposts,follows,blocks,records,accounts,identities"];

/** Refresh, point in time, and a search in pages for all that mentions one DID. */
function searches(documents: MemoryElasticsearch["documents"], versions: MemoryElasticsearch["versions"]): Script {
  const script: Record<string, Script[string]> = {
    "POST /_search": ({ body }) => {
      const { size, pit, query, search_after: [after] = [-1] } = JSON.parse(body);
      const did = query.bool.should[0].term.author_did;
      const found = [...documents].filter(([key, document]) =>
        pit.id.split(",").includes(key.split("/")[0]!) && (document.author_did === did || document.did === did)
      );
      const hits = found.map(([key, document], i) => ({
        _index: key.slice(0, key.indexOf("/")),
        _id: key.slice(key.indexOf("/") + 1),
        _version: Number(versions.get(key)),
        _source: document,
        sort: [i],
      }));
      return { body: { pit_id: pit.id, hits: { hits: hits.slice(after + 1, after + 1 + size) } } };
    },
    "DELETE /_pit": { body: { succeeded: true } },
  };
  for (const names of PURGED) {
    script[`POST /${names}/_refresh`] = { body: {} };
    script[`POST /${names}/_pit`] = { body: { id: names } };
  }
  return script;
}
