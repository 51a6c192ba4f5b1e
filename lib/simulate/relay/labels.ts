/**
 * A simulated labeler: one or two labels a frame, of which frame i alone decides.
 *
 * @module
 */
import { createTimeTexts, mix, tid } from "../ids.ts";
import { createRecords } from "../records.ts";
import { encodeCbor } from "../repos/cbor.ts";
import { cidOf } from "../repos/cid.ts";
import { type Label, signLabel } from "../repos/labels.ts";
import { labelsFrame } from "../repos/messages.ts";
import type { FrameStore } from "../store.ts";
import { fixedTimes, liveTimes } from "../times.ts";
import { LABELER, labelKey } from "./accounts.ts";
import type { NetworkOptions } from "./network.ts";

const VALUES = ["spam", "porn", "sexual", "nudity", "graphic-media", "rude", "!hide", "misinformation"] as const;
/** One of so many frames has two labels, takes a label back, names an end, means one version of a record, or an account. */
const SOME = { two: 5, neg: 10, exp: 20, cid: 3, account: 4 } as const;
/** A frame that takes a label back means the one that came so many frames before. */
const NEG_DISTANCE = 7;
const DAY_US = 86_400_000_000;

/** What `subscribeLabels` sends. */
export function labelFrames(options: NetworkOptions = {}): FrameStore {
  const { rng = 1, accounts = 50_000, epoch = "now", count = 0, sign = true } = options;
  const times = epoch === "now" ? liveTimes() : fixedTimes(epoch);
  const records = createRecords(rng, accounts);
  const key = labelKey(rng), seed = mix(rng, 8);
  const text = createTimeTexts();
  let sent = 0, newest = 0;

  const isNeg = (i: number): boolean => i > NEG_DISTANCE && mix(i, seed) % SOME.neg === 0 && !isNeg(i - NEG_DISTANCE);
  const labelOf = (i: number, n: number): Label => {
    const neg = n === 0 && isNeg(i), about = neg ? i - NEG_DISTANCE : i;
    const bits = mix(about * 2 + n, seed + 1), time = times.timeOf(i), others = mix(about * 2 + n, seed + 2);
    const did = records.account(bits % accounts);
    const isAccount = others % SOME.account === 0;
    const rkey = tid(times.timeOf(about) - DAY_US, others);
    return {
      ver: 1,
      src: records.account(LABELER),
      uri: isAccount ? did : `at://${did}/app.bsky.feed.post/${rkey}`,
      val: VALUES[(bits >>> 8) % VALUES.length]!,
      cts: text.millis(time),
      ...(!isAccount && (others >>> 8) % SOME.cid === 0 && { cid: cidOf(encodeCbor(others)) }),
      ...(neg && { neg }),
      ...(!neg && (others >>> 16) % SOME.exp === 0 && { exp: text.millis(time + 30 * DAY_US) }),
    };
  };
  return {
    last: count === 0 ? Infinity : count,
    live: () => sent + 1,
    seqOf: (position) => position,
    bySeq: (seq) => Math.max(1, seq),
    sent: (position) => sent = Math.max(sent, position),
    newestSent: () => sent,
    read(i) {
      if (i > newest) times.fix(newest = i);
      const labels = mix(i, seed) % SOME.two === 1 ? [labelOf(i, 0), labelOf(i, 1)] : [labelOf(i, 0)];
      return labelsFrame(i, sign ? labels.map((label) => signLabel(label, key)) : labels);
    },
  };
}
