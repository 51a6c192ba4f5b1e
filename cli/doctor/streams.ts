/**
 * What runs of `firehose` and `labeler` depend on.
 *
 * @module
 */
import { makeFirehosePlan } from "../../lib/sources/firehose/options.ts";
import { firehose } from "../../lib/sources/firehose.ts";
import { labels, makeLabelsPlan } from "../../lib/sources/labels.ts";
import type { LivePlan } from "../../lib/sources/live/options.ts";
import { firehoseOf, liveOf, prefixOf, stateOf } from "../ingest/live_sources.ts";
import { simulateRelay } from "../ingest/simulate_relay.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import type { firehoseOptions, labelerOptions } from "../options/firehose.ts";
import { checkRelayPosition, examineRelays, relayChecks } from "./relays.ts";
import { examineRun, type Run, targetOf } from "./run.ts";
import type { Settings } from "./settings.ts";
import { type Hosts, sideBySide } from "./side_by_side.ts";

/** Checks what a run of `firehose` with these settings would use. */
export const examineFirehose = examineRun<typeof firehoseOptions>(prepareFirehose);
/** Checks what a run of `labeler` with these settings would use. */
export const examineLabeler = examineRun<typeof labelerOptions>(prepareLabeler);

async function prepareFirehose(
  settings: Settings<typeof firehoseOptions & IngestOptions>,
  resources: AsyncDisposableStack,
): Promise<Run> {
  const { values } = settings;
  const { simulate, wantedCollections, format } = values;
  const simulation = simulate ? await simulateRelay(values.numRecords, wantedCollections) : undefined;
  if (simulation) resources.use(simulation.server);
  const target = targetOf(settings, stateOf("firehose", simulate));
  const place = simulation?.place ?? { hosts: values.relayHosts };
  const live = liveOf(values, place, prefixOf(settings, target.key, target.sink, simulate));
  const options = firehoseOf(settings, live, target.sink === "redis" && format === "rsky");
  return runOf({
    values,
    target,
    plan: makeFirehosePlan(options).live,
    keys: firehose(options).keys,
    path: "/xrpc/com.atproto.sync.subscribeRepos",
    collections: wantedCollections.includes("all") ? undefined : wantedCollections,
  });
}

async function prepareLabeler(
  settings: Settings<typeof labelerOptions & IngestOptions>,
  resources: AsyncDisposableStack,
): Promise<Run> {
  const { values } = settings;
  const simulation = values.simulate ? await simulateRelay(values.numRecords, []) : undefined;
  if (simulation) resources.use(simulation.server);
  const target = targetOf(settings, stateOf("labeler", values.simulate));
  const place = simulation?.place ?? { hosts: values.labelerHosts };
  const options = liveOf(values, place, prefixOf(settings, target.key, target.sink, values.simulate));
  return runOf({
    values,
    target,
    plan: makeLabelsPlan(options),
    keys: labels(options).keys,
    path: "/xrpc/com.atproto.label.subscribeLabels",
    collections: undefined,
  });
}

/** A run that reads frames. */
interface Frames extends Pick<Hosts, "target" | "keys" | "values" | "collections"> {
  readonly plan: LivePlan;
  /** Of the stream. */
  readonly path: string;
}

function runOf({ plan, path, ...parts }: Frames): Run {
  const relays = examineRelays(plan, path);
  return sideBySide({
    ...parts,
    endpoints: plan.endpoints,
    checks: relays.flatMap(relayChecks),
    judge: (saved, i) => checkRelayPosition(relays[i]!, saved, plan),
  });
}
