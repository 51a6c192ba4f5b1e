/**
 * The names under which rsky-ingester had its metrics. There several were registered and never moved; here all count.
 *
 * @module
 */
import type { Link } from "../../pipeline/link.ts";
import { DONE } from "../../sources/list_repos/done.ts";
import type { RunWatch } from "../run_watch.ts";
import { type MetricDefinition, single } from "./definition.ts";

/** The streams whose lengths were told. */
const STREAMS = ["firehose_live", "firehose_backfill", "label_live", "repo_backfill"] as const;

/** The metrics of this module, without our prefix. */
export const LEGACY_METRICS: readonly MetricDefinition[] = [
  counter(
    "firehose_events_total",
    "Events of relays written",
    (run) => ofRun(run, "firehose", run.about.counters.written),
  ),
  ...["create", "update", "delete"].map((operation) =>
    counter(`firehose_${operation}_events_total`, `Records written with operation ${operation}`, (run) => {
      return ofRun(run, "firehose", run.operations.get(operation) ?? 0);
    })
  ),
  counter("firehose_filtered_operations_total", "Operations that were not wanted", (run) => {
    return ofRun(run, "firehose", run.about.counters.filtered);
  }),
  counter("stream_events_total", "Events written", (run) => run.about.counters.written),
  counter("errors_total", "Dead letters, repeated writes, connections that failed", (run) => {
    const { deadLettered, retried } = run.about.counters;
    return deadLettered + retried + failuresOf(run.about.stats?.links ?? []);
  }),
  counter("labeler_events_total", "Labels received", (run) => ofRun(run, "labeler", run.about.counters.received)),
  counter("labels_written_total", "Labels written", (run) => ofRun(run, "labeler", run.about.counters.written)),
  counter("backfill_repos_fetched_total", "Repos listed", (run) => ofRun(run, "backfill", run.about.counters.received)),
  counter("backfill_repos_written_total", "Repos written", (run) => ofRun(run, "backfill", run.about.counters.written)),
  counter("backfill_fetch_errors_total", "Pages that could not be read", (run) => {
    return ofRun(run, "backfill", failuresOf(run.about.stats?.links ?? []));
  }),
  counter("backfill_cursor_skips_total", "Pages that were skipped", (run) => {
    return ofRun(run, "backfill", run.about.counters.gaps);
  }),
  ...STREAMS.map((stream) =>
    gauge(`${stream}_length`, `Entries in the stream ${stream}`, (run) => {
      return run.about.stream === stream ? (run.figures as { readonly length?: number } | undefined)?.length ?? 0 : 0;
    })
  ),
  gauge("backpressure_active", "Whether reading waits for consumers", (run) => {
    return (run.figures as { readonly backpressure?: unknown } | undefined)?.backpressure ? 1 : 0;
  }),
  gauge(
    "websocket_connections",
    "Open connections",
    (run) => run.links.filter(({ readyState }) => readyState === 1).length,
  ),
  gauge("events_in_memory", "Events not yet safe", (run) => run.about.counters.inFlight),
  gauge("backfill_complete", "Whether the list was read to its end", (run) => {
    const positions = [...run.about.counters.cursors.values()];
    return ofRun(run, "backfill", Number(positions.length > 0 && positions.every((each) => each === DONE)));
  }),
];

function counter(name: string, help: string, value: (run: RunWatch) => number): MetricDefinition {
  return single("counter", `ingester_${name}`, help, value);
}

function gauge(name: string, help: string, value: (run: RunWatch) => number): MetricDefinition {
  return { ...single("gauge", `ingester_${name}`, help, value), together: "sum" };
}

/** Every name is there in every run, as it was. */
function ofRun({ about: { command } }: RunWatch, wanted: string, value: number): number {
  return command === wanted ? value : 0;
}

function failuresOf(links: readonly Link[]): number {
  return links.reduce((sum, { failures }) => sum + failures, 0);
}
