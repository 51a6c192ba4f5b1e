/**
 * Whose step each frame of a simulated relay is.
 *
 * Frames are about a group of accounts for a while, each of which makes some steps, then about the next group, and in the end about
 * the first one again: so accounts have a history soon, but never such a long one that it takes time to make it again.
 *
 * @module
 */
import { mix } from "../ids.ts";

/** The order of all steps of all accounts. */
export interface Schedule {
  /** Whose step a frame is, and which one, from 1 on. */
  at(frame: number): { readonly account: number; readonly k: number };
  /** The frame of an account's k-th step. */
  frameOf(account: number, k: number): number;
  /** Whether an account ever makes a step; those that are left over in no whole group do not. */
  isActive(account: number): boolean;
  /** How many steps an account has made when a frame was the last one. */
  count(account: number, newest: number): number;
}

/** Accounts of a group, and the steps of each of them before the next group's turn. */
const GROUP = 1000, TURN = 64;

/** @param seed Decides the order within a group. */
export function createSchedule(accounts: number, seed: number): Schedule {
  const size = Math.min(accounts, GROUP), groups = Math.floor(accounts / size);
  /** In each round every account of a group has one frame, and the first one differs from round to round. */
  const shift = (round: number) => mix(round, seed) % size;
  const groupOf = (account: number) => Math.floor(account / size);
  const isActive = (account: number) => groupOf(account) < groups;
  const frameOf = (account: number, k: number) => {
    const turn = Math.floor((k - 1) / TURN) * groups + groupOf(account);
    const round = turn * TURN + (k - 1) % TURN;
    return round * size + (account % size - shift(round) + size) % size + 1;
  };
  return {
    at(frame) {
      const round = Math.floor((frame - 1) / size), turn = Math.floor(round / TURN);
      const account = turn % groups * size + ((frame - 1) % size + shift(round)) % size;
      return { account, k: Math.floor(turn / groups) * TURN + round % TURN + 1 };
    },
    frameOf,
    isActive,
    count(account, newest) {
      const turn = Math.floor((newest - 1) / (size * TURN)), group = groupOf(account);
      if (!isActive(account) || newest < 1 || turn < group) return 0;
      let k = Math.floor((turn - group) / groups) * TURN;
      while (frameOf(account, k + 1) <= newest) k++;
      return k;
    },
  };
}
