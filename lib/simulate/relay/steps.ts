/**
 * What the accounts of a simulated relay do. Frame i is the k-th step of an account, and both follow from i alone, as does what
 * happens in it: so a repo can be made as it was at any frame, and a frame as it was sent before.
 *
 * @module
 */
import { createTimeTexts, mix, tid } from "../ids.ts";
import { ACCOUNT, createDraw, createMix, DELETE, IDENTITY, LIKE, PROFILE, recordOf, UPDATE } from "../mix.ts";
import type { Records } from "../records.ts";
import type { Write } from "../repos/repo.ts";
import type { EventTimes } from "../times.ts";
import type { Schedule } from "./schedule.ts";

/** What an account does. */
export type Step =
  | { readonly kind: "commit"; readonly rev: string; readonly writes: readonly Write[] }
  | { readonly kind: "sync"; readonly rev: string }
  | { readonly kind: "identity"; readonly handle: string | undefined }
  | { readonly kind: "account"; readonly active: boolean; readonly status: string | undefined };

/** All steps of all accounts. */
export interface Steps {
  step(account: number, k: number): Step;
  /** Why an account is not active after its k-th step. */
  status(account: number, k: number): string | undefined;
  /** The repo before the first step. */
  first(account: number): { readonly rev: string; readonly records: [path: string, record: unknown][] };
}

/** Options of {@link createSteps}. */
export interface StepsOptions {
  readonly rng: number;
  readonly collections: readonly string[];
  /** Of the same network. */
  readonly records: Records;
  readonly schedule: Schedule;
  readonly times: EventTimes;
  /** Microseconds since 1970, before every frame: when all repos were made. */
  readonly born: number;
}

/** Records that the repo of an account with steps has from the beginning. */
const FIRST_RECORDS = 6;
/** How many steps before it a deleted record was created; as in `generator.ts`, no two deletes mean the same record. */
const DELETE_DISTANCES = [3, 9, 27] as const;
/** Shares of the creates in 1/10,000 that are a `#sync` instead, and that come with others in one commit. */
const SYNC_SHARE = 30, MULTIPLE_SHARE = 300;
const STATUSES = ["deactivated", "takendown", "suspended"] as const;
/** A record is written some time before its commit, and that before the frame. Microseconds. */
const CREATED_US = 400_000, RKEY_US = 350_000, REV_US = 20_000;

/** Plans the steps. */
export function createSteps(options: StepsOptions): Steps {
  const { rng, schedule: { frameOf }, times } = options;
  const seed = mix(rng, 7);
  const { names, bounds } = createMix(options.collections);
  const drawn = createDraw(mix(rng, 5), names, bounds);
  const { kindOf, deletedBy } = createKinds(options.schedule, drawn, seed);
  const { first, created, profile } = createWrites(options, names, drawn, seed);
  const downStatus = (account: number, k: number) => STATUSES[mix(frameOf(account, k), seed + 2) % 3]!;

  const writesOf = (kind: Kind, account: number, k: number, i: number): Write[] => {
    switch (kind) {
      case "delete":
        return [{ action: "delete", path: created(frameOf(account, deletedBy(account, k)), 0).path }];
      case "update":
        return [profile(i)];
      case "multiple":
        return [created(i, 0), created(i, 1), profile(i)];
      default:
        return [created(i, 0)];
    }
  };
  return {
    step(account, k) {
      const i = frameOf(account, k), kind = kindOf(account, k);
      const rev = tid(times.timeOf(i) - REV_US, mix(i, seed + 3));
      switch (kind) {
        case "sync":
          return { kind, rev };
        case "identity":
          return { kind, handle: mix(i, seed) % 4 === 0 ? `user${account}.simulate.test` : undefined };
        case "account":
        case "up":
          return { kind: "account", active: true, status: undefined };
        case "down":
          return { kind: "account", active: false, status: downStatus(account, k) };
        default:
          return { kind: "commit", rev, writes: writesOf(kind, account, k, i) };
      }
    },
    status: (account, k) => k > 0 && kindOf(account, k) === "down" ? downStatus(account, k) : undefined,
    first,
  };
}

type Kind = "create" | "multiple" | "delete" | "update" | "sync" | "identity" | "account" | "down" | "up";

/** Says what kind of step each one is. */
function createKinds({ frameOf }: Schedule, drawn: (i: number) => number, seed: number) {
  const kindOf = (account: number, k: number): Kind => {
    const i = frameOf(account, k), slot = drawn(i), bits = mix(i, seed);
    if (k > 1 && kindOf(account, k - 1) === "down") return "up"; // an account that is not active does nothing else
    if (slot === IDENTITY) return "identity";
    if (slot === ACCOUNT) return bits % 2 === 0 ? "down" : "account";
    if (slot === UPDATE) return "update";
    if (slot === DELETE) return deletedBy(account, k) > 0 ? "delete" : "create";
    if (bits % 10_000 < SYNC_SHARE) return "sync";
    return bits % 10_000 < SYNC_SHARE + MULTIPLE_SHARE ? "multiple" : "create";
  };
  /** The step that created what step k deletes; 0: there is nothing. */
  const deletedBy = (account: number, k: number) => {
    const created = k - DELETE_DISTANCES[k % 3]!;
    return created > 0 && ["create", "multiple"].includes(kindOf(account, created)) ? created : 0;
  };
  return { kindOf, deletedBy };
}

/** Makes records and where they are. */
function createWrites(
  { records, schedule, times, born }: StepsOptions,
  names: readonly string[],
  drawn: (i: number) => number,
  seed: number,
) {
  const text = createTimeTexts();
  const record = (collection: string, i: number, n: number, time: number) =>
    JSON.parse(recordOf(records, collection, (i * 3 + n) >>> 0, text.millis(time - CREATED_US)));
  return {
    /** The n-th record that frame i creates. */
    created(i: number, n: number): Write {
      const slot = drawn(i), collection = names[n === 0 && slot > 0 ? slot : LIKE]!, time = times.timeOf(i);
      const rkey = tid(time - RKEY_US, mix(i, seed + 1) + n);
      return { action: "create", path: `${collection}/${rkey}`, record: record(collection, i, n, time) };
    },
    profile: (i: number): Write => ({
      action: "update",
      path: `${PROFILE}/self`,
      record: record(PROFILE, i, 2, times.timeOf(i)),
    }),
    first(account: number) {
      const found: [string, unknown][] = [[`${PROFILE}/self`, record(PROFILE, account, 0, born)]];
      const most = schedule.isActive(account) ? FIRST_RECORDS : 0;
      for (let n = 0; n < most; n++) {
        const collection = names[n % names.length]!, time = born + n * 1_000_000, number = mix(account, n);
        found.push([`${collection}/${tid(time, number)}`, record(collection, number, 0, time)]);
      }
      return { rev: tid(born + FIRST_RECORDS * 1_000_000, mix(account, seed)), records: found };
    },
  };
}
