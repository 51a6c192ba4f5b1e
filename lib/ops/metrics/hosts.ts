/**
 * Metrics of hosts: connections, lag, positions, gaps.
 *
 * @module
 */
import type { Link } from "../../pipeline/link.ts";
import type { LiveStats } from "../../sources/firehose.ts";
import { bounded } from "../bounded.ts";
import type { RunWatch } from "../run_watch.ts";
import { labelled, type MetricDefinition, type Sample, single } from "./definition.ts";
import { samples } from "./events.ts";

const HOST = ["source", "host"] as const;
/** Smaller numbers are no times in microseconds but sequence numbers. */
const MICROSECONDS_FROM = 1e15;

/** The metrics of this module. */
export const HOST_METRICS: readonly MetricDefinition[] = [
  labelled("counter", "bytes_received_total", HOST, "As on the wire", (run) => {
    if (linksOf(run).length > 0) return ofLinks(run, ({ bytesReceived }) => bytesReceived);
    return [[[run.about.command, ""], run.about.stats?.bytesReceived ?? 0]];
  }),
  labelled("counter", "reconnects_total", [...HOST, "reason"], "By how the connection before had ended", (run) => {
    return linksOf(run).flatMap(({ host, reconnects }) => samples(reconnects, (how) => [run.about.command, host, how]));
  }),
  labelled("counter", "paused_seconds_total", HOST, "Time in which back-pressure kept us from reading", (run) => {
    return ofLinks(run, ({ paused }) => paused.ms() / 1000);
  }),
  labelled(
    "gauge",
    "connected",
    HOST,
    "Whether events can come",
    (run) => ofLinks(run, (link) => Number(link.connected)),
  ),
  labelled("gauge", "lag_seconds", HOST, "How old the newest event is", (run, now) => {
    return run.about.live ? ofTimes(run, (timeUs) => Math.max(0, now / 1000 - timeUs / 1e6)) : [];
  }),
  labelled("gauge", "last_event_timestamp_seconds", HOST, "The time of the newest event", (run) => {
    return ofTimes(run, (timeUs) => timeUs / 1e6);
  }),
  labelled("gauge", "cursor_timestamp_seconds", HOST, "The time of the last safe position", (run) => {
    return positionsOf(run).flatMap(({ host, timeUs }) => {
      return timeUs === undefined ? [] : [[[run.about.command, host], timeUs / 1e6]];
    });
  }),
  labelled("gauge", "cursor_seq", HOST, "The sequence number of the last safe position", (run) => {
    return positionsOf(run).flatMap(({ host, seq }) => seq === undefined ? [] : [[[run.about.command, host], seq]]);
  }),
  labelled("counter", "gaps_total", [...HOST, "reason"], "Holes in the stream that nobody asked for", (run) => {
    return samples(run.gapCounts, (name) => {
      return [run.about.command, ...name === "other" ? [name, name] : name.split("\n")];
    });
  }),
  labelled(
    "gauge",
    "gaps_open",
    ["source"],
    "Holes that are open",
    (run) => [[[run.about.command], run.openGaps.length]],
  ),
  labelled("counter", "race_only_total", ["host"], "Events that came from this host alone", (run) => {
    return Object.entries(run.about.stats?.race ?? {}).map(([host, { only }]) => [[host], only]);
  }),
  labelled("counter", "frames_total", ["host", "type"], "Frames of a relay or labeler", (run) => {
    return ofHosts(run).flatMap(([host, { frames }]) => samples(Object.entries(frames), (type) => [host, type]));
  }),
  labelled(
    "counter",
    "ops_rejected_total",
    ["host", "code"],
    "Operations and labels that went to the dead letter",
    (run) => {
      return ofHosts(run).flatMap(([host, { rejected }]) => {
        return samples(bounded(Object.entries(rejected)), (code) => [host, code]);
      });
    },
  ),
  labelled("gauge", "last_seq", ["host"], "The number of the last frame", (run) => {
    return ofHosts(run).flatMap(([host, { lastSeq }]) => lastSeq === undefined ? [] : [[[host], lastSeq]]);
  }),
  labelled("counter", "seq_regressions_total", ["host"], "Frames whose numbers did not grow", (run) => {
    return ofHosts(run).map(([host, { regressions }]) => [[host], regressions]);
  }),
  single("counter", "repos_listed_total", "Repos of lists that are durable in the sink", (run) => {
    return run.about.command === "backfill" ? run.about.counters.written : undefined;
  }),
];

function linksOf({ about: { stats } }: RunWatch): readonly Link[] {
  return stats?.links ?? [];
}

function ofLinks(run: RunWatch, value: (link: Link) => number): Sample[] {
  return linksOf(run).map((link) => [[run.about.command, link.host], value(link)]);
}

/** Of the event times of all hosts; of those of the run where there are none. */
function ofTimes(run: RunWatch, value: (timeUs: number) => number): Sample[] {
  const links = run.links;
  const all = links.length > 0 ? links : [{ host: "", lastTimeUs: run.about.counters.lastTimeUs }];
  return all.flatMap(({ host, lastTimeUs }): Sample[] => {
    return lastTimeUs === undefined ? [] : [[[run.about.command, host], value(lastTimeUs)]];
  });
}

function ofHosts({ about: { stats } }: RunWatch) {
  return Object.entries((stats as Partial<LiveStats> | undefined)?.hosts ?? {});
}

interface Position {
  readonly host: string;
  readonly timeUs: number | undefined;
  readonly seq: number | undefined;
}

/** The safe positions, as far as they say anything that can be measured. */
function positionsOf(run: RunWatch): Position[] {
  const hosts = linksOf(run).map(({ host }) => host);
  return [...run.about.counters.cursors].flatMap(([key, cursor]): Position[] => {
    const keyHost = hosts.find((host) => key.endsWith(host)) ?? "";
    const value = numberOrPosition(cursor);
    if (typeof value !== "number") return value === undefined ? [] : [{ ...value, host: value.host || keyHost }];
    const isTime = value >= MICROSECONDS_FROM;
    return [{ host: keyHost, timeUs: isTime ? value : undefined, seq: isTime ? undefined : value }];
  });
}

function numberOrPosition(cursor: string): number | Position | undefined {
  try {
    const value = JSON.parse(cursor);
    if (typeof value === "number") return value;
    if (typeof value?.time_us !== "number") return undefined;
    return { host: String(value.host ?? ""), timeUs: value.time_us, seq: value.seq };
  } catch {
    return undefined;
  }
}
