/**
 * Metrics of events, batches, dead letters and stages.
 *
 * @module
 */
import { VERSION } from "../../version.ts";
import { bounded } from "../bounded.ts";
import type { RunWatch } from "../run_watch.ts";
import { stagesOf } from "../stats.ts";
import { labelled, type MetricDefinition, type Sample, single } from "./definition.ts";

const source = ({ about: { command } }: RunWatch) => command;
const sink = ({ about }: RunWatch) => about.sink;

/** The metrics of this module. */
export const EVENT_METRICS: readonly MetricDefinition[] = [
  {
    ...labelled("gauge", "build_info", ["version", "deno"], "What is running; always 1", () => {
      return [[[VERSION, Deno.version.deno], 1]];
    }),
    together: "max",
  },
  labelled(
    "counter",
    "events_received_total",
    ["source", "kind"],
    "Events taken from the source; other: copies, undecodable ones, and those that were filtered before anybody looked at them",
    receivedByKind,
  ),
  labelled("counter", "events_filtered_total", ["source"], "Events that were dropped on purpose", (run) => {
    return [[[source(run)], run.about.counters.filtered]];
  }),
  labelled("counter", "events_written_total", ["sink"], "Events that are durable in the sink", (run) => {
    return [[[sink(run)], run.about.counters.written]];
  }),
  labelled("counter", "events_by_collection_total", ["collection"], "Commits that passed the filters", (run) => {
    return samples(bounded(run.about.counters.collections), (name) => [name]);
  }),
  labelled("counter", "ops_total", ["operation"], "Commits that are durable in the sink", (run) => {
    return samples([...run.operations].filter(([name]) => name !== ""), (name) => [name]);
  }),
  labelled("counter", "duplicates_total", ["source"], "Events that were recognised as copies", (run) => {
    return [[[source(run)], run.about.counters.duplicates]];
  }),
  labelled("counter", "frames_invalid_total", ["source", "reason"], "Messages that could not be decoded", (run) => {
    return samples(bounded(run.deadLetters.undecodable), (reason) => [source(run), reason]);
  }),
  labelled("counter", "frames_ignored_total", ["source", "reason"], "Messages of a kind that is not known", (run) => {
    return [[[source(run), "unknown"], run.about.stats?.ignored ?? 0]];
  }),
  labelled("counter", "dead_letters_total", ["stage", "reason"], "Events and messages in the dead letter", (run) => {
    return samples(run.deadLetters.counts, (name) => name === "other" ? [name, name] : name.split("\n"));
  }),
  labelled(
    "counter",
    "batches_total",
    ["sink", "result"],
    "Writes: ok, refused (in part), failed (as a whole)",
    (run) => {
      return samples(Object.entries(run.sink.writes), (result) => [sink(run), result]);
    },
  ),
  labelled("counter", "retries_total", ["sink", "reason"], "Repeated writes: whole, or the rest of a batch", (run) => {
    return samples(Object.entries(run.retries), (reason) => [sink(run), reason]);
  }),
  single("gauge", "in_flight_events", "Events handed to the sink and not yet safe", (run) => {
    return run.about.counters.inFlight;
  }),
  single("gauge", "in_flight_limit", "At so many of them reading pauses", (run) => run.about.limits.inFlight),
  labelled("gauge", "stage_waiting", ["stage"], "Events that wait there; writes for sink", (run) => {
    return stagesOf(run).map(({ name, waiting }) => [[name], waiting]);
  }),
  labelled(
    "counter",
    "stage_blocked_seconds_total",
    ["stage"],
    "Time in which it could take nothing more",
    blockedTimes,
  ),
  labelled("gauge", "checkpoint_age_seconds", ["source"], "Since the position was last saved", (run, now) => {
    return run.savedAt === undefined ? [] : [[[source(run)], (now - run.savedAt) / 1000]];
  }),
  labelled("counter", "checkpoint_failures_total", ["source"], "Saves of the position that failed", (run) => {
    return [[[source(run)], run.failedSaves]];
  }),
];

function receivedByKind(run: RunWatch): Sample[] {
  const known = [...run.kinds].filter(([kind]) => kind !== "");
  const others = run.about.counters.received - known.reduce((sum, [, count]) => sum + count, 0);
  return samples([...known, ["other", Math.max(0, others)] as const], (kind) => [source(run), kind]);
}

function blockedTimes({ about: { counters: { blocked }, stats }, deadLetters }: RunWatch): Sample[] {
  const links = stats?.links ?? [];
  const [full, busy] = [blocked.inFlight.ms(), blocked.sink.ms()];
  const times: readonly (readonly [string, number])[] = [
    ["source", links.reduce((ms, { paused }) => ms + paused.ms(), 0)],
    ["batch", full + busy],
    ["in_flight", full],
    ["sink", busy],
    ["dead_letter", deadLetters.blocked.ms()],
  ];
  return times.map(([name, ms]) => [[name], ms / 1000]);
}

/** Counts by name as samples. */
export function samples(
  counts: Iterable<readonly [string, number]>,
  labelsOf: (name: string) => readonly string[],
): Sample[] {
  return [...counts].map(([name, count]) => [labelsOf(name), count]);
}
