/**
 * When generated events happened.
 *
 * @module
 */

/** Microseconds between two events of a fixed epoch: 2,000 a second, about what the network does. */
const STEP_US = 500;

/** The times of events 1, 2, 3, ...: microseconds since 1970, strictly increasing. */
export interface EventTimes {
  timeOf(seq: number): number;
  /** The first event at or after a time. */
  atOrAfter(time_us: number): number;
  /** This event is about to be sent: from now on its time stays. */
  fix(seq: number): void;
}

/** Event i has the time `epoch + i * 500` microseconds, so that two processes make the same bytes. */
export function fixedTimes(epoch: number): EventTimes {
  return {
    timeOf: (seq) => epoch + seq * STEP_US,
    atOrAfter: (time_us) => Math.max(1, Math.ceil((time_us - epoch) / STEP_US)),
    fix: () => {},
  };
}

/**
 * An event gets its time when it is first sent, and keeps it. Events that are sent together follow each other by a
 * microsecond, so that one entry stands for all of them: the list grows with the time that passes, not with the events. The
 * same rule gives a time to events that were jumped over, as a subscriber may begin at any sequence number.
 */
export function liveTimes(now: () => number = () => Date.now() * 1000): EventTimes {
  const starts: number[] = []; // sequence numbers, rising
  const times: number[] = []; // the time of each of them
  let newest = 0, start = 0, time = 0; // the last event that has a time, and the run it is in
  const timeOf = (seq: number) => {
    if (seq >= start) return time + (seq - start);
    const run = Math.max(0, lastAtMost(starts, seq));
    return times[run]! + (seq - starts[run]!);
  };
  return {
    timeOf,
    atOrAfter(time_us) {
      if (time_us > timeOf(newest)) return newest + 1;
      const run = Math.max(0, lastAtMost(times, time_us));
      return Math.max(1, Math.min(starts[run]! + (time_us - times[run]!), starts[run + 1] ?? Infinity));
    },
    fix(seq) {
      if (seq <= newest) return;
      const clock = now();
      if (clock > time + (seq - start)) {
        [start, time] = [seq, clock];
        starts.push(start);
        times.push(time);
      }
      newest = seq;
    },
  };
}

/** The last index whose value is `value` or less, in a rising list; -1 where there is none. */
function lastAtMost(list: readonly number[], value: number): number {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
