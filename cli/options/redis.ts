/**
 * The options of the sink `redis`, and of `consume`, which reads what it wrote.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { parseRedisUrl } from "../../lib/net/redis/address.ts";
import { make } from "../kit/declaration.ts";
import { choice, duration, integer, list, path, secret, size, text, toggle } from "../kit/option.ts";
import { MOST_TIMER_MS } from "../kit/units.ts";
import { filterOptions } from "./filters.ts";

const group = "Redis";
const consumeGroup = "Consumer group";

/** Declarations: how to reach the server. */
export const redisConnectionOptions = {
  redisUrl: make<string>("redis-url", {
    help: "Server: redis://[user[:password]@]host[:port][/db], rediss:// with TLS, redis+cluster://a:1,b:2",
    group,
    metavar: "URL",
    env: ["REDIS_URL", { name: "REDIS_HOST", read: (host) => `redis://${host}` }],
    common: true,
  }, {
    kind: "url",
    fromFile: true,
    fallback: "redis://localhost:6379",
    defaultText: "redis://localhost:6379",
    decode: decodeUrl,
  }),
  redisPassword: secret("redis-password", { help: "Its password, in place of the URL's", group }),
  redisCaCert: path("redis-ca-cert", {
    help: "PEM certificates to trust in place of the system's",
    group,
    defaultText: "the system's",
  }),
  redisCert: path("redis-cert", { help: "PEM certificate to show to the server", group }),
  redisKey: path("redis-key", { help: "PEM key of that certificate", group }),
  redisSkipTlsVerify: toggle("redis-skip-tls-verify", { help: "Trust any certificate; warns at every start", group }),
} as const;

/** Declarations of the sink's options. */
export const redisOptions = {
  ...redisConnectionOptions,
  stream: text("stream", {
    help: "Stream that events are added to",
    group,
    metavar: "NAME",
    defaultText: "firehose_live, label_live, repo_backfill, jetstream_live or megastream",
  }),
  format: choice(
    "format",
    { help: "Whose consumers can read it: Bluesky's, or rsky's", group },
    ["bsky", "rsky"],
    "bsky",
  ),
  highWaterMark: integer("high-water-mark", {
    help: "So many entries in the stream, and reading pauses; 0 = never",
    group,
    env: ["INGESTER_HIGH_WATER_MARK"],
    defaultText: "100000",
  }),
  backpressure: choice(
    "backpressure",
    { help: "What is measured: the stream's length, or what its slowest group has yet to acknowledge", group },
    ["length", "lag"],
    "length",
  ),
  backpressureInterval: duration(
    "backpressure-interval",
    { help: "How often to look whether there is room again", group, min: 1, max: MOST_TIMER_MS },
    "5s",
  ),
  redisMaxlen: integer("redis-maxlen", {
    help: "Older entries beyond about so many are removed, read or not",
    group,
    min: 1,
    defaultText: "none are",
  }),
  redisMinidAge: duration("redis-minid-age", {
    help: "Entries older than that are removed, read or not",
    group,
    min: 1,
    defaultText: "none are",
  }),
  redisMaxEntry: size("redis-max-entry", { help: "Larger entries go to the dead letter", group, min: 1 }, "8MiB"),
  redisWait: integer("redis-wait", { help: "Replicas that must confirm a write", group }, 0),
  partitions: integer("partitions", {
    help: "Entries are spread by account over so many streams",
    group,
    min: 1,
    max: 1024,
    defaultText: "one stream",
  }),
} as const;

/** Declarations of the options of `consume`. */
export const consumeOptions = {
  fromRedisUrl: make<string | undefined>("from-redis-url", {
    help: "Server to read from",
    group: consumeGroup,
    metavar: "URL",
    defaultText: "--redis-url",
  }, { kind: "url", fromFile: true, fallback: undefined, decode: decodeUrl }),
  fromStream: list("from-stream", { help: "Streams to read", group: consumeGroup, metavar: "NAME", common: true }, [
    "firehose_live",
  ]),
  partition: list("partition", {
    help: "Partitions to read, from 0 on: each is for one process only",
    group: consumeGroup,
    metavar: "N",
    defaultText: "all of them",
  }),
  group: text("group", { help: "Consumer group", group: consumeGroup, metavar: "NAME", common: true }, "bskyingest"),
  consumer: text("consumer", {
    help: "Name of this process in the group, the same after a restart; of a queue's only for the lists",
    group: consumeGroup,
    metavar: "NAME",
    defaultText: "the host's name and the lowest free number, of a queue's the process id",
  }),
  from: text("from", {
    help: "Where a group begins that is made now: oldest, new, or after this id",
    group: consumeGroup,
    metavar: "oldest|new|ID",
  }, "oldest"),
  count: integer("count", {
    help: "Entries, or rows of a queue, of one read",
    group: consumeGroup,
    min: 1,
    max: 1_000_000,
    defaultText: "500 entries, 10 rows",
  }),
  block: duration("block", { help: "How long a read waits", group: consumeGroup, min: 1, max: MOST_TIMER_MS }, "1s"),
  claimIdle: duration("claim-idle", {
    help: "Entries of a consumer that shows no sign of life for so long are taken over",
    group: consumeGroup,
    min: 3,
    max: MOST_TIMER_MS,
  }, "60s"),
  claimInterval: duration(
    "claim-interval",
    { help: "How often to look for those", group: consumeGroup, min: 1, max: MOST_TIMER_MS },
    "10s",
  ),
  maxDeliveries: integer("max-deliveries", {
    help: "An entry that came so often and was never safe is dead",
    group: consumeGroup,
    min: 1,
  }, 5),
  deadStream: text("dead-stream", {
    help: "Stream for dead entries",
    group: consumeGroup,
    metavar: "NAME",
    defaultText: "STREAM_dlq",
  }),
  raw: toggle("raw", {
    help: "Pass entries on as they are, {stream, id, fields}: into ndjson, stdout or null",
    group: consumeGroup,
    conflicts: Object.values(filterOptions).map(({ flag }) => flag),
  }),
  afterAck: choice(
    "after-ack",
    {
      help: "Entries that are done are removed once every group is done with them, at once, or never",
      group: consumeGroup,
    },
    ["trim", "delete", "keep"],
    "trim",
  ),
} as const;

function decodeUrl(text: string): string {
  try {
    parseRedisUrl(text);
    return text;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError("it must be redis://[user[:password]@]host[:port][/db]");
  }
}
