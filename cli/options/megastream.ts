/**
 * The options of `megastream`.
 *
 * @module
 */
import { choice, duration, ingex, integer, list, parsed, path, size, text, toggle, url } from "../kit/option.ts";
import { MOST_TIMER_MS } from "../kit/units.ts";
import { deliveryOptions, sinkOptions } from "./delivery.ts";
import { filterOptions } from "./filters.ts";
import { listenOptions } from "./listen.ts";
import { timestamp } from "./time.ts";

const group = "Source";
const s3 = "S3";
const files = "Files";

/** Declarations of the source's options. */
const sourceOptions = {
  source: choice("source", { help: "Where the files are", group, common: true }, ["local", "s3"], "local"),
  path: list("path", {
    help: "Folder with .db.zip files, or a single file",
    group,
    metavar: "PATH",
    env: ingex("LOCAL_SQLITE_DB_PATH"),
    common: true,
  }),
  recursive: toggle("recursive", { help: "Descend into folders", group }),
  mode: choice(
    "mode",
    { help: "once = what is there now, then exit; spool = look again and again", group, common: true },
    ["once", "spool"],
    "once",
  ),
  spoolInterval: duration("spool-interval", {
    help: "Between two looks; a bare number is seconds",
    group,
    env: ingex("SPOOL_INTERVAL_SEC"),
    min: 1000,
    max: MOST_TIMER_MS,
  }, "60s"),
  s3Bucket: text("s3-bucket", {
    help: "Bucket of --source s3",
    group: s3,
    metavar: "NAME",
    env: [...ingex("S3_SQLITE_DB_BUCKET"), "GE_AWS_S3_BUCKET"],
    common: true,
  }),
  s3Prefix: text("s3-prefix", {
    help: "Folder in the bucket",
    group: s3,
    env: [...ingex("S3_SQLITE_DB_PREFIX"), "GE_AWS_S3_PREFIX"],
    defaultText: "the top",
  }),
  awsRegion: text("aws-region", { help: "Region of the bucket", group: s3, env: ["AWS_REGION"] }, "us-east-1"),
  s3Endpoint: url("s3-endpoint", {
    help: "Another server that speaks like S3",
    group: s3,
    protocols: ["http:", "https:"],
    defaultText: "AWS",
  }),
  s3PathStyle: toggle("s3-path-style", {
    help: "Put the bucket in the path, not in the host name",
    group: s3,
    defaultText: "on with --s3-endpoint",
  }),
  requestPayer: toggle("request-payer", { help: "Agree to pay for requests, as some buckets ask", group: s3 }, true),
  lateWindow: duration("late-window", {
    help: "How far behind the newest processed file a look lists; all of it once an hour",
    group: s3,
  }, "24h"),
  since: parsed(
    "since",
    { help: "Leave files from before this time alone (UTC)", group: files, metavar: "TIME" },
    timestamp,
  ),
  maxRewind: duration("max-rewind", {
    help: "Leave files alone that are older than this now; a bare number is minutes",
    group: files,
    unit: "m",
    defaultText: "any age",
  }),
  noRewind: toggle("no-rewind", { help: "Leave files from before the start of this run alone", group: files }),
  onBadFile: choice(
    "on-bad-file",
    { help: "What a file that cannot be read leads to", group: files },
    ["skip", "fail"],
    "skip",
  ),
  maxAttempts: integer("max-attempts", { help: "How often a bad file is tried; 0 = for ever", group: files }, 3),
  retryFailed: toggle("retry-failed", { help: "Try bad files again whose attempts are used up", group: files }),
  deleteAfter: toggle("delete-after", { help: "Remove a local file once all of it is safe", group: files }),
  tempDir: path("temp-dir", {
    help: "For downloads and extracted databases",
    group: files,
    metavar: "DIR",
    defaultText: "the system's",
  }),
  maxDbBytes: size("max-db-bytes", { help: "The largest database that is extracted", group: files, min: 1 }, "4GiB"),
} as const;

/** Declarations of all options, with the defaults that differ for files. */
export const megastreamOptions = {
  ...sourceOptions,
  ...filterOptions,
  ...deliveryOptions,
  ...sinkOptions,
  ...listenOptions,
  stateFile: path("state-file", {
    help: "Where it is kept which files are done",
    group: deliveryOptions.stateFile.group,
    env: ingex("SPOOL_STATE_FILE"),
    defaultText: "KEY-SINK.json in the state folder",
  }),
  maxDeadRatio: {
    ...deliveryOptions.maxDeadRatio,
    help: "Share of dead rows of the run that ends it, from the 1,000th row on; 1 = none",
  } satisfies typeof deliveryOptions.maxDeadRatio,
  purgeAccounts: {
    ...sinkOptions.purgeAccounts,
    help: "Statuses of accounts whose rows count as account deletions",
    fallback: ["deleted"],
    defaultText: "deleted",
  } satisfies typeof sinkOptions.purgeAccounts,
} as const;
