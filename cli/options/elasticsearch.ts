/**
 * The options of the sink `elasticsearch` and of the command of that name.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { KINDS } from "../../lib/transforms/elasticsearch/kinds.ts";
import { CLASSIC_EMBEDDINGS } from "../../lib/transforms/embeddings/models.ts";
import { make } from "../kit/declaration.ts";
import { choice, duration, ingex, list, path, secret, size, text, toggle } from "../kit/option.ts";
import { MOST_TIMER_MS } from "../kit/units.ts";

const group = "Elasticsearch";

/** Every status that an account can have which is not active, and the word for none of them. */
const STATUSES = ["deleted", "takendown", "suspended", "deactivated", "desynchronized", "throttled", "none"] as const;

/** Declarations: how to reach the server. */
export const connectionOptions = {
  elasticsearchUrl: make<readonly string[]>("elasticsearch-url", {
    help: "Nodes of the cluster, with commas; user info is basic auth",
    group,
    metavar: "URL",
    env: ingex("ELASTICSEARCH_URL"),
    common: true,
  }, {
    kind: "url",
    fromFile: true,
    fallback: [],
    decode: decodeUrls,
  }),
  elasticsearchApiKey: secret("elasticsearch-api-key", {
    help: "API key in its encoded form: id:key in base64",
    group,
    env: ingex("ELASTICSEARCH_API_KEY"),
    conflicts: ["elasticsearch-user", "elasticsearch-password"],
  }),
  elasticsearchUser: text("elasticsearch-user", { help: "User of basic auth", group, metavar: "NAME" }),
  elasticsearchPassword: secret("elasticsearch-password", { help: "Password of that user", group }),
  caCert: path("ca-cert", {
    help: "PEM certificates to trust in place of the system's",
    group,
    defaultText: "the system's",
  }),
  skipTlsVerify: toggle("skip-tls-verify", {
    help: "Trust any certificate; warns at every start",
    group,
    env: ["GE_ELASTICSEARCH_TLS_SKIP_VERIFY"],
  }),
  elasticsearchTimeout: duration("elasticsearch-timeout", {
    help: "Of one request; then it is sent again",
    group,
    min: 1,
    max: MOST_TIMER_MS,
  }, "60s"),
} as const;

/** Declarations: which indices there are. */
export const indexOptions = {
  layout: choice("layout", { help: "Which indices and documents there are", group }, ["classic"], "classic"),
  index: list("index", {
    help: "Alias of a kind, over the index NAME_v1; the kind may be left out where there is only one",
    group,
    metavar: "[KIND=]NAME",
    defaultText: "the name of the kind",
  }),
  indexPrefix: text("index-prefix", {
    help: "Put before the name of every index, alias and template",
    group,
    metavar: "TEXT",
  }),
  documents: list("documents", {
    help: "Kinds of documents",
    group,
    metavar: "LIST",
    choices: KINDS,
    defaultText: "all but accounts and identities",
  }),
  embeddings: list("embeddings", {
    help: "Models whose vectors posts of files keep: names, all, none, or KEY:DIMS of others",
    group,
    metavar: "LIST",
  }, CLASSIC_EMBEDDINGS),
  vectors: choice(
    "vectors",
    { help: "Whether vectors of a new index can be searched, or are only stored", group },
    ["searchable", "stored"],
    "searchable",
  ),
} as const;

/** Declarations: numbers of indices that `setup` makes. */
export const shardOptions = {
  indexShards: list("index-shards", { help: "Shards of a new index", group, metavar: "[KIND=]N" }, ["1"]),
  indexReplicas: list("index-replicas", { help: "Replicas of a new index", group, metavar: "[KIND=]N" }, ["1"]),
} as const;

/** Declarations: what the sink writes, and how. */
export const writingOptions = {
  bulkBytes: size("bulk-bytes", { help: "A bulk has no more than that, before compression", group, min: 1 }, "5MB"),
  elasticsearchGzip: toggle("elasticsearch-gzip", { help: "Compress what is sent, for slow networks", group }),
  setup: choice(
    "setup",
    { help: "What to do about an index that is not there: make it, stop, do not look", group },
    ["auto", "check", "off"],
    "auto",
  ),
  deletes: choice(
    "deletes",
    { help: "Whether delete events delete, or are counted and dropped", group },
    ["apply", "ignore"],
    "apply",
  ),
  purgeAccounts: list(
    "purge-accounts",
    { help: "Statuses of accounts whose documents are deleted", group, metavar: "LIST", choices: STATUSES },
    ["none"],
  ),
  checkTombstones: choice(
    "check-tombstones",
    { help: "Whether posts are compared with tombstones before they are written; auto = not for live streams", group },
    ["auto", "always", "never"],
    "auto",
  ),
} as const;

/** Declarations of the sink's options. */
export const elasticsearchOptions = { ...connectionOptions, ...indexOptions, ...writingOptions } as const;

function decodeUrls(text: string): readonly string[] {
  const urls = text.split(/,(?=\s*https?:)/i).map((url) => url.trim());
  for (const url of urls) {
    if (!URL.canParse(url) || !["http:", "https:"].includes(new URL(url).protocol)) {
      throw new ConfigError("it must be URLs that begin with http:// or https://, with commas between them");
    }
  }
  return urls;
}
