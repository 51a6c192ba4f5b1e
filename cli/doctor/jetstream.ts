/**
 * What a run of `jetstream` depends on.
 *
 * @module
 */
import { hostAndPort } from "../../lib/net/permission.ts";
import { makePlan } from "../../lib/sources/jetstream/options.ts";
import { jetstreamRace } from "../../lib/sources/jetstream/race.ts";
import { cacheFolder } from "../../lib/state/paths.ts";
import { resolveWantedHandles } from "../ingest/handles.ts";
import { simulate, sourceOptions } from "../ingest/jetstream_source.ts";
import { JETSTREAM_STATE } from "../ingest/target.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import type { jetstreamOptions } from "../options/jetstream.ts";
import { type Check, type Finding, ok } from "./check.ts";
import { checkClock } from "./clock.ts";
import { checkDictionary } from "./dictionary.ts";
import { checkHosts, examineHosts } from "./hosts.ts";
import { examineRun, type Run, targetOf } from "./run.ts";
import type { Settings } from "./settings.ts";
import { checkPosition } from "./state.ts";

type JetstreamSettings = Settings<typeof jetstreamOptions & IngestOptions>;

/** Checks what a run with these settings would use. */
export const examineJetstream = examineRun<typeof jetstreamOptions>(prepare);

async function prepare(settings: JetstreamSettings, resources: AsyncDisposableStack): Promise<Run> {
  const { values, env } = settings;
  const simulation = values.simulate ? await simulate(values) : undefined;
  if (simulation) resources.use(simulation.server);
  const target = targetOf(
    settings,
    simulation ? { ...JETSTREAM_STATE, defaultKey: "jetstream-simulate" } : JETSTREAM_STATE,
  );
  const options = {
    ...sourceOptions(settings),
    noRewind: values.noRewind,
    maxRewindMinutes: values.maxRewind / 60_000,
    ...simulation?.options,
    key: target.key,
  };
  if (values.race) jetstreamRace(options);
  const plan = makePlan(options);
  const hosts = examineHosts(plan);
  const handles: Check = { name: "handles", run: () => checkHandles(settings, simulation?.server.url) };
  const urls = plan.endpoints.map(({ v1 }) => v1.replace(/^ws/, "http"));
  return {
    target,
    collections: plan.filter.collections,
    net: hosts.map(({ url }) => hostAndPort(url)),
    source: () => checkHosts(hosts, plan.wire),
    position: () => checkPosition({ target, plan, race: values.race, hosts, values }),
    others: [
      ...values.handles.length > 0 ? [handles] : [],
      { name: "dictionary", run: () => checkDictionary(plan, hosts, cacheFolder(env)) },
      { name: "clock", optional: true, run: (signal) => checkClock(urls, signal) },
    ],
  };
}

async function checkHandles(settings: JetstreamSettings, simulateUrl: string | undefined): Promise<Finding> {
  const dids = await resolveWantedHandles(settings, simulateUrl);
  return ok(`${settings.values.handles.length} handles; ${dids.length} accounts in all`);
}
