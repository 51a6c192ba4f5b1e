/**
 * What decoding relay frames to the JSON text of their events costs, beside the usual libraries.
 *
 * @module
 */
import { type Kind, toJson } from "../../lib/atproto/event.ts";
import { splitFrame } from "../../lib/atproto/frame.ts";
import { frameEvents, type FrameEventsOptions } from "../../lib/atproto/frame_events.ts";
import { decodeRepoMessage } from "../../lib/atproto/repo_message.ts";
import { commitBody, framesOfFile, messageFrame } from "../../lib/atproto/test_frames.ts";
import { realData } from "../../tests/support/real_data.ts";
import { type Bench, type Case, type Goal, WANTED } from "./bench.ts";
import { loopFrame } from "./frames_loop.ts";
import { measure } from "./measure.ts";

const KINDS: ReadonlySet<Kind> = new Set(["commit", "identity", "account"]);
const ORIGIN = Object.freeze({ source: "firehose", wire: "relay", host: "bench" });
/** From here on frames are numbered where they are sent by the thousands: eight bytes hold the number, as in real ones. */
export const FIRST_SEQ = 31_000_000_000;
/** Frames that are made where there are no real ones. */
const MADE = 150;

/** Decodes a frame; answers the characters of JSON that it gave. */
type Decode = (frame: Uint8Array) => number;

/** Real frames, a sample goes over them again and again; else ones with as many blocks and bytes. */
export function loadFrames(): readonly Uint8Array[] {
  const path = realData("frames.bin.zst");
  if (path !== undefined) return framesOfFile(path);
  return Array.from({ length: MADE }, (_, seq) => {
    const node = () => ({ record: new Uint8Array(450), action: "delete" });
    const record = { text: `Post ${seq}`, $type: WANTED, langs: ["en"], createdAt: "2026-07-04T14:38:07.517Z" };
    const path = `${seq % 8 === 0 ? WANTED : "app.bsky.feed.like"}/3mptbyplj5d2a`;
    const body = commitBody([{ path, record }, ...Array.from({ length: 8 }, node)], { seq: FIRST_SEQ + seq });
    return messageFrame("#commit", { ...body, ops: (body.ops as unknown[]).slice(0, 1) });
  });
}

function ours(options: Pick<FrameEventsOptions, "verify"> & Partial<FrameEventsOptions["filter"]>): Decode {
  const { verify, ...filter } = options;
  const all: FrameEventsOptions = { origin: ORIGIN, filter: { kinds: KINDS, ...filter }, verify, now: Date.now };
  return (frame) => {
    const split = splitFrame(frame);
    const message = split.kind === "message" ? decodeRepoMessage(split.type, split.body) : undefined;
    if (message === undefined || message.type === "#info") return 0;
    return frameEvents(message, all).events.reduce((sum, event) => sum + toJson(event).length, 0);
  };
}

function caseOf(name: string, decode: Decode, reference?: string, goals: readonly Goal[] = []): Case {
  return {
    name,
    goals,
    ...(reference !== undefined && { reference }),
    run: async ({ events }) => {
      const frames = loadFrames();
      for (let i = 0; i < 10_000; i++) decode(frames[i % frames.length]!);
      let length = 0;
      const sample = await measure(() => {
        for (let i = 0; i < events; i++) length += decode(frames[i % frames.length]!);
        return events;
      });
      if (length === 0) throw new Error("Cannot measure frames: they give nothing");
      return [sample];
    },
  };
}

/** `deno task bench frames` */
export const bench: Bench = {
  name: "frames",
  brief: "Relay frames to the JSON text of their events, with and without hashes, beside @atcute/cbor and @atcute/car",
  events: 100_000,
  rounds: 5,
  warmUps: 1,
  timeoutMs: 60_000,
  cases: () => {
    const faster: Goal = { figure: "ratio", atLeast: 1.3 };
    const [plain, hashed] = ["libraries, no hashes", "libraries, hashes"];
    return [
      caseOf(hashed, (frame) => loopFrame(frame, true)),
      caseOf("--verify blocks", ours({ verify: "blocks" }), hashed, [faster]),
      caseOf(plain, (frame) => loopFrame(frame, false)),
      caseOf("--verify none", ours({ verify: "none" }), plain, [faster]),
      caseOf("one collection", ours({ verify: "blocks", collections: (name) => name === WANTED }), hashed, [
        { figure: "rate", atLeast: 100_000 },
      ]),
    ];
  },
};
