/**
 * The commands, a line each; their code is loaded when it is needed.
 *
 * @module
 */
import type { Example, RegistryEntry } from "./kit/command.ts";

/** Every command, in the order of the help. */
export const registry: readonly RegistryEntry[] = [
  {
    name: "jetstream",
    brief: "Events of chosen collections from Jetstream (default: likes)",
    group: "Ingest",
    load: async () => (await import("./commands/jetstream.ts")).command,
  },
  {
    name: "megastream",
    brief: "Enriched posts from .db.zip files, local or S3, once or spooling",
    group: "Ingest",
    load: async () => (await import("./commands/megastream.ts")).command,
  },
  {
    name: "firehose",
    brief: "com.atproto.sync.subscribeRepos from one or more relays",
    group: "Ingest",
    load: async () => (await import("./commands/firehose.ts")).command,
  },
  {
    name: "backfill",
    brief: "com.atproto.sync.listRepos: the list of all repos",
    group: "Ingest",
    load: async () => (await import("./commands/backfill.ts")).command,
  },
  {
    name: "labeler",
    brief: "com.atproto.label.subscribeLabels from one or more labelers",
    group: "Ingest",
    load: async () => (await import("./commands/labeler.ts")).command,
  },
  {
    name: "connector",
    brief: "A bounded capture from Jetstream into a durable queue",
    group: "Ingest",
    load: async () => (await import("./commands/connector.ts")).command,
  },
  {
    name: "consume",
    brief: "Redis streams (as a consumer group), or a queue, into any sink",
    group: "Ingest",
    load: async () => (await import("./commands/consume.ts")).command,
  },
  {
    name: "queue",
    brief: "List, take, acknowledge, requeue and purge rows of a queue",
    group: "Manage",
    load: async () => (await import("./commands/queue.ts")).command,
  },
  {
    name: "cursor",
    brief: "Show, set and clear saved positions",
    group: "Manage",
    load: async () => (await import("./commands/cursor.ts")).command,
  },
  {
    name: "gaps",
    brief: "List the holes that were detected, accept those that must be",
    group: "Manage",
    load: async () => (await import("./commands/gaps.ts")).command,
  },
  {
    name: "dead-letter",
    brief: "List, show, retry and purge events that could not be written",
    group: "Manage",
    load: async () => (await import("./commands/dead_letter.ts")).command,
  },
  {
    name: "elasticsearch",
    brief: "Make the indices of the sink elasticsearch, show how they are",
    group: "Manage",
    load: async () => (await import("./commands/elasticsearch.ts")).command,
  },
  {
    name: "config",
    brief: "Show the settings and where they come from, check the configuration file",
    group: "Manage",
    load: async () => (await import("./commands/config.ts")).command,
  },
  {
    name: "doctor",
    brief: "Check configuration, servers, clock, disk and permissions before a run",
    group: "Manage",
    load: async () => (await import("./commands/doctor.ts")).command,
  },
  {
    name: "simulate",
    brief: "A local Jetstream (v1 and v2) from recorded or made-up events",
    group: "Develop",
    load: async () => (await import("./commands/simulate.ts")).command,
  },
  {
    name: "record",
    brief: "Save what a source sends, byte for byte, for replay",
    group: "Develop",
    load: async () => (await import("./commands/record.ts")).command,
  },
  {
    name: "replay",
    brief: "Feed a recording through any pipeline, at real speed, N times or as fast as it goes",
    group: "Develop",
    load: async () => (await import("./commands/replay.ts")).command,
  },
  {
    name: "completions",
    brief: "Print the completion script for bash, zsh or fish",
    group: "Develop",
    load: async () => (await import("./commands/completions.ts")).command,
  },
];

/** Examples of the program's own help. */
export const examples: readonly Example[] = [
  {
    run: "bskyingest jetstream --simulate -n 10000",
    does: "10,000 made-up events into ./bskyingest.db, without a network",
  },
  { run: "bskyingest jetstream -c app.bsky.feed.post", does: "all new posts, live, until Ctrl-C" },
  { run: "bskyingest config show", does: "show every setting, its value and where it comes from" },
];
