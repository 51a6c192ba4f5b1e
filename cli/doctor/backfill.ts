/**
 * What a run of `backfill` depends on.
 *
 * @module
 */
import { getChosen } from "../../lib/net/get.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { DONE, listRepos } from "../../lib/sources/list_repos.ts";
import { readPage } from "../../lib/sources/list_repos/page.ts";
import { type Endpoint, readHosts } from "../../lib/sources/live/endpoint.ts";
import { prefixOf, stateOf } from "../ingest/live_sources.ts";
import { SHORT_LIST, simulateRelay } from "../ingest/simulate_relay.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import type { backfillOptions } from "../options/firehose.ts";
import { type Check, CHECK_MS, fail, type Finding, ok, warn } from "./check.ts";
import { networkChecks } from "./network.ts";
import { examineRun, type Run, targetOf } from "./run.ts";
import type { Settings } from "./settings.ts";
import { sideBySide } from "./side_by_side.ts";

/** A page with one entry is shorter than that, in bytes. */
const MOST_BYTES = 64 * 1024;

/** Checks what a run with these settings would use. */
export const examineBackfill = examineRun<typeof backfillOptions>(prepare);

async function prepare(
  settings: Settings<typeof backfillOptions & IngestOptions>,
  resources: AsyncDisposableStack,
): Promise<Run> {
  const { values } = settings;
  const { simulate, restart } = values;
  const simulation = simulate ? await simulateRelay(values.numRecords, [], SHORT_LIST) : undefined;
  if (simulation) resources.use(simulation.server);
  const target = targetOf(settings, stateOf("backfill", simulate));
  const { hosts, alias } = simulation?.place ?? { hosts: values.relayHosts, alias: undefined };
  const keyPrefix = prefixOf(settings, target.key, target.sink, simulate);
  const { keys } = listRepos({ hosts, ...(alias !== undefined && { alias }), keyPrefix });
  const endpoints = readHosts(hosts, alias, []);
  return sideBySide({
    target,
    endpoints,
    keys,
    values,
    checks: endpoints.flatMap(listChecks),
    judge: (saved, i) => positionFinding(endpoints[i]!.host, saved, restart),
  });
}

function listChecks(endpoint: Endpoint): Check[] {
  const { host, http } = endpoint;
  return [
    ...networkChecks(host, new URL(http)),
    { name: `list ${host}`, needs: `dns ${host}`, run: (signal) => checkList(endpoint, signal) },
  ];
}

/** Asks for the first entry. */
async function checkList({ host, http }: Endpoint, signal: AbortSignal): Promise<Finding> {
  const begun = Date.now();
  const answer = await getChosen(`${http}/xrpc/com.atproto.sync.listRepos?limit=1`, {
    ...{ timeoutMs: CHECK_MS, maxBytes: MOST_BYTES, signal },
  });
  if ("refused" in answer) return fail(answer.refused);
  const { status, body } = answer;
  if (status !== 200) throw new ConfigError(`Cannot list the repos of ${host}: HTTP ${status}: ${body}`);
  const { entries } = readPage(body, { source: "doctor", wire: "relay", host }, undefined, Date.now() * 1000);
  const ms = Date.now() - begun;
  return entries > 0 ? ok(`answered within ${ms} ms`) : warn(`answered within ${ms} ms, and has no repos`);
}

function positionFinding(host: string, saved: string | undefined, restart: boolean): Finding {
  if (saved === undefined) return ok("none is saved: begins with the first page");
  if (restart) return ok("not used: begins with the first page");
  if (saved !== DONE) return ok(`goes on behind ${saved} at ${host}`);
  return ok(`the list of ${host} was read to its end: nothing is left without --restart`);
}
