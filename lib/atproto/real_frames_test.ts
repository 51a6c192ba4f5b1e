import { deepEqual, equal, ok } from "node:assert/strict";
import { realTest } from "../../tests/support/real_data.ts";
import { PoisonError } from "../pipeline/errors.ts";
import type { AtEvent, CommitEvent, Kind } from "./event.ts";
import { toJson } from "./event.ts";
import { splitFrame } from "./frame.ts";
import { type FrameEvents, frameEvents, type FrameEventsOptions } from "./frame_events.ts";
import { type CommitMessage, decodeRepoMessage, type NumberedMessage } from "./repo_message.ts";
import { framesOfFile } from "./test_frames.ts";

const KINDS: ReadonlySet<Kind> = new Set(["commit", "identity", "account"]);
const OPTIONS: FrameEventsOptions = {
  origin: { source: "firehose", wire: "relay", host: "bsky.network" },
  filter: { kinds: KINDS },
  verify: "blocks",
  now: () => NaN,
};

const messagesOf = (path: string): NumberedMessage[] =>
  framesOfFile(path).map((frame) => {
    const split = splitFrame(frame);
    ok(split.kind === "message");
    return decodeRepoMessage(split.type, split.body) as NumberedMessage;
  });

/** All events of the messages, of which nothing may be rejected. */
function eventsOf(messages: readonly NumberedMessage[], options = OPTIONS): AtEvent[] {
  return messages.flatMap((message) => {
    const { events, rejected, badTime } = frameEvents(message, options);
    deepEqual([rejected, badTime], [[], false]);
    return events;
  });
}

const linesOf = (path: string): Record<string, unknown>[] =>
  Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => JSON.parse(line));

/** What the format `bsky` of the Redis streams has of an event, as reference libraries made it of the same frames. */
function inStream(event: AtEvent): unknown {
  const { did, seq, relay } = event;
  const base = { did, seq, time: relay?.time };
  if (event.kind !== "commit") {
    const { active, status, handle } =
      (event.kind === "account" ? event.account : event.kind === "identity" ? event.identity : {}) as Record<
        string,
        unknown
      >;
    return { type: event.kind, ...base, active, status, handle };
  }
  const { operation, record, cid, rev, collection, rkey } = event.commit;
  return { type: operation, ...base, record, cid, commit: relay?.commit, rev, collection, rkey };
}

/** For `JSON.stringify`. */
function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
}

realTest(
  "F1, F2: 150 real frames give 152 events, those that reference libraries give",
  ["frames.bin.zst", "stream_events_bsky.jsonl"],
  ([frames, expected]) => {
    const messages = messagesOf(frames!);
    deepEqual([messages.length, messages.at(-1)!.seq], [150, 31527015471]);
    for (const verify of ["blocks", "none"] as const) {
      const events = eventsOf(messages, { ...OPTIONS, verify });
      equal(events.length, 152);
      deepEqual(
        events.map((event) => JSON.stringify(inStream(event), sortKeys)),
        linesOf(expected!).map((line) => JSON.stringify(line, sortKeys)),
      );
      const operations = events.filter((event) => event.kind === "commit").map(({ commit }) => commit.operation);
      const counts = ["create", "update", "delete"].map((name) => operations.filter((each) => each === name).length);
      deepEqual(counts, [144, 2, 4]);
    }
  },
);

realTest(
  "F2: the events of the real frames are those that a Jetstream gave, time and order apart",
  ["frames.bin.zst", "expected_v1.jsonl"],
  ([frames, expected]) => {
    const ours = eventsOf(messagesOf(frames!)).map((event) => JSON.parse(toJson(event)));
    const sorted = (events: readonly Record<string, unknown>[]) =>
      events.map(({ time_us: _, cursor: __, ...rest }) => JSON.stringify(rest, sortKeys)).sort();
    deepEqual(sorted(ours), sorted(linesOf(expected!)));
  },
);

realTest("F3: collections restrict the real commits only", ["frames.bin.zst"], ([path]) => {
  const messages = messagesOf(path!);
  const only = (heads: readonly string[]) => {
    const collections = (collection: string) => heads.some((head) => collection.startsWith(head));
    const events = eventsOf(messages, { ...OPTIONS, filter: { kinds: KINDS, collections } });
    return events.map((event) => event.kind === "commit" ? event.commit.collection : event.kind);
  };
  equal(only(["app.bsky.", "chat.bsky."]).length, 151);
  deepEqual(only(["fm.teal."]), ["fm.teal.alpha.actor.status", "identity", "account"]);
});

realTest("F14: the real commit of three creates", ["frames.bin.zst"], ([path]) => {
  const message = messagesOf(path!).find(({ seq }) => seq === 31527015375)!;
  const events = eventsOf([message]) as CommitEvent[];
  deepEqual(events.map(({ commit }) => commit.operation), ["create", "create", "create"]);
  equal(new Set(events.map(({ seq, commit, relay }) => `${seq} ${commit.rev} ${relay?.commit}`)).size, 1);
});

realTest("F23: no spoiled CAR of a real frame gives a wrong record, and the other frames are as before", [
  "frames.bin.zst",
], ([path]) => {
  const messages = messagesOf(path!);
  const message = messages.find((each) => each.type === "#commit" && each.ops.length === 3) as CommitMessage;
  const good = new Set(eventsOf([message]).map((event) => toJson(event)));
  let refused = 0;
  const check = (blocks: Uint8Array, what: string) => {
    let result: FrameEvents;
    try {
      result = frameEvents({ ...message, blocks }, OPTIONS);
    } catch (error) {
      ok(error instanceof PoisonError, what);
      refused++;
      return;
    }
    ok(result.events.every((event) => good.has(toJson(event))), what);
    equal(result.events.length + result.rejected.length, 3, what);
    refused += result.rejected.length > 0 ? 1 : 0;
  };
  for (let i = 0; i < message.blocks.length; i++) {
    const flipped = Uint8Array.from(message.blocks);
    flipped[i]! ^= 1 << (i & 7);
    check(flipped, `byte ${i}`);
    check(message.blocks.subarray(0, i), `cut at ${i}`);
  }
  ok(refused > message.blocks.length, `${refused} of ${2 * message.blocks.length} were refused`);
  equal(eventsOf(messages).length, 152);
});
