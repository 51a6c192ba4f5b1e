/**
 * A simulated relay: accounts with signed repos, and the frames of what they do.
 *
 * @module
 */
import { createTimeTexts, mix } from "../ids.ts";
import type { GeneratorOptions } from "../generator.ts";
import { createRecords } from "../records.ts";
import { accountFrame, commitFrame, identityFrame, syncFrame } from "../repos/messages.ts";
import { createRepo, type Repo, unsigned } from "../repos/repo.ts";
import type { FrameStore } from "../store.ts";
import { fixedTimes, liveTimes } from "../times.ts";
import { accountKey } from "./accounts.ts";
import { createSchedule } from "./schedule.ts";
import { createSteps, type Step } from "./steps.ts";

/** Options of {@link createNetwork}. */
export interface NetworkOptions extends GeneratorOptions {
  /** Sign commits and labels. Default true; `false` is for load tests, as signing takes most of the time. */
  readonly sign?: boolean;
}

/** The repos of a relay. */
export interface Network {
  /** What `subscribeRepos` sends. */
  readonly frames: FrameStore;
  /** How many accounts there are. */
  readonly accounts: number;
  /** The DID of an account, 0 to `accounts` - 1. */
  did(account: number): string;
  /** The account of a DID, `undefined` where it is nobody's. */
  accountOf(did: string): number | undefined;
  /** Why an account is not active, after the last frame that was sent. */
  status(account: number): string | undefined;
  /** The repo of an account, after the last frame that was sent. */
  repo(account: number): Repo;
}

/** Repos were made when the network was, or a day before the first frame where that is earlier. Microseconds. */
const BORN = Date.UTC(2023, 3, 1) * 1000, DAY_US = 86_400_000_000;
/** Repos that are kept: those of the accounts that frames are about for a while, and of the ones before them. */
const RECENT_REPOS = 2000;
/** Frames that are kept, as subscribers who were cut off want the last ones again. */
const RECENT_FRAMES = 16_384;

/** The network of a number: the same accounts as those of Jetstream with the same options, but they do other things. */
export function createNetwork(options: NetworkOptions = {}): Network {
  const { rng = 1, accounts = 50_000, epoch = "now", collections = [], count = 0, sign = true } = options;
  const times = epoch === "now" ? liveTimes() : fixedTimes(epoch);
  const born = epoch === "now" ? BORN : Math.min(BORN, epoch - DAY_US);
  const records = createRecords(rng, accounts);
  const schedule = createSchedule(accounts, mix(rng, 6));
  const steps = createSteps({ rng, collections, records, schedule, times, born });
  const text = createTimeTexts();
  /** Each repo as it was after its last step that was made. */
  const repos = new Map<number, { k: number; readonly repo: Repo }>();
  const recent = new Map<number, Uint8Array>();
  let sent = 0, newest = 0;

  /** The repo after `k` steps. */
  const repoAfter = (account: number, k: number) => {
    const seal = sign ? {} : { seal: unsigned };
    const repo = createRepo({
      did: records.account(account),
      key: accountKey(rng, account),
      ...seal,
      ...steps.first(account),
    });
    for (let n = 1; n <= k; n++) {
      const step = steps.step(account, n);
      if ("rev" in step) repo.apply(step.kind === "commit" ? step.writes : [], step.rev);
    }
    return repo;
  };
  const frameOf = (i: number) => {
    const { account, k } = schedule.at(i);
    let known = repos.get(account);
    if (known?.k !== k - 1) {
      known = { k: k - 1, repo: repoAfter(account, k - 1) };
      remember(repos, account, known, RECENT_REPOS);
    }
    known.k = k;
    return write({ seq: i, time: text.millis(times.timeOf(i)) }, known.repo, steps.step(account, k));
  };
  const read = (i: number) => {
    if (i > newest) times.fix(newest = i);
    let frame = recent.get(i);
    if (frame) return frame;
    frame = frameOf(i);
    remember(recent, i, frame, RECENT_FRAMES);
    return frame;
  };
  return {
    frames: {
      last: count === 0 ? Infinity : count,
      live: () => sent + 1,
      seqOf: (position) => position,
      bySeq: (seq) => Math.max(1, seq),
      sent: (position) => sent = Math.max(sent, position),
      newestSent: () => sent,
      read,
    },
    accounts,
    did: records.account,
    accountOf: records.accountOf,
    status: (account) => steps.status(account, schedule.count(account, sent)),
    repo: (account) => repoAfter(account, schedule.count(account, sent)),
  };
}

/** Puts something into a map that drops what came first. */
function remember<V>(map: Map<number, V>, key: number, value: V, most: number): void {
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}

function write(at: { readonly seq: number; readonly time: string }, repo: Repo, step: Step): Uint8Array {
  switch (step.kind) {
    case "commit":
      return commitFrame(at, repo.commit(step.writes, { rev: step.rev }));
    case "sync":
      return syncFrame(at, repo.sync({ rev: step.rev }));
    case "identity":
      return identityFrame(at, repo.did, step.handle);
    case "account":
      return accountFrame(at, repo.did, step.active, step.status);
  }
}
