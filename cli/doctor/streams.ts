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
import type { Target } from "../ingest/target.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import type { firehoseOptions, labelerOptions } from "../options/firehose.ts";
import { runChecks } from "./check.ts";
import { checkClock } from "./clock.ts";
import { authorityOf } from "./network.ts";
import { checkRelayPosition, examineRelays, relayChecks } from "./relays.ts";
import { examineRun, type Run, targetOf } from "./run.ts";
import { savedPositions, together } from "./saved.ts";
import type { Settings } from "./settings.ts";

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
    settings,
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
    settings,
    target,
    plan: makeLabelsPlan(options),
    keys: labels(options).keys,
    path: "/xrpc/com.atproto.label.subscribeLabels",
    collections: undefined,
  });
}

/** A run that reads frames. */
interface Frames {
  readonly settings: Pick<Settings<IngestOptions>, "values">;
  readonly target: Target;
  readonly plan: LivePlan;
  /** Of the positions, in the order of the hosts. */
  readonly keys: readonly string[];
  /** Of the stream. */
  readonly path: string;
  readonly collections: readonly string[] | undefined;
}

function runOf({ settings, target, plan, keys, path, collections }: Frames): Run {
  const relays = examineRelays(plan, path);
  const urls = plan.endpoints.map(({ http }) => http);
  return {
    target,
    keys,
    collections,
    net: urls.map((url) => authorityOf(new URL(url))),
    source: () => runChecks(relays.flatMap(relayChecks)),
    async position() {
      const saved = await savedPositions(target, settings.values, keys);
      return together(await Promise.all(relays.map((relay, i) => checkRelayPosition(relay, saved[i], plan))));
    },
    others: [{ name: "clock", optional: true, run: (signal) => checkClock(urls, signal) }],
  };
}
