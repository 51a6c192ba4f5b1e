/**
 * The sources of `record`.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { LiveSource } from "../../lib/sources/firehose.ts";
import type { LiveOptions } from "../../lib/sources/live/options.ts";
import type { CommandContext } from "../kit/command.ts";
import type { recordFirehoseOptions, recordJetstreamOptions, recordLabelerOptions } from "../options/record.ts";
import { resolveWantedHandles } from "./handles.ts";
import { simulate, sourceOptions } from "./jetstream_source.ts";
import { liveOf } from "./live_sources.ts";
import { record } from "./record.ts";
import { simulateRelay } from "./simulate_relay.ts";

/** Records messages of Jetstream. Answers the exit status. */
export async function recordJetstream(context: CommandContext<typeof recordJetstreamOptions>): Promise<number> {
  const { values } = context;
  const { jetstream } = await import("../../lib/sources/jetstream/jetstream.ts");
  const simulation = values.simulate ? await simulate(values) : undefined;
  await using _server = simulation?.server;
  const dids = await resolveWantedHandles(context, simulation?.server.url);
  return await record(context, { name: "jetstream", end: "end" }, (tap) =>
    jetstream({
      ...sourceOptions(context),
      ...(dids.length > 0 && { dids }),
      ...simulation?.options,
      tap,
    }));
}

/** Records frames of a relay or PDS. Answers the exit status. */
export async function recordFirehose(context: CommandContext<typeof recordFirehoseOptions>): Promise<number> {
  const { firehose } = await import("../../lib/sources/firehose.ts");
  // Of what is only recorded nothing has to be made, but for the numbers: no kind costs less.
  const source = (live: LiveOptions) => firehose({ ...live, kinds: ["sync"], verify: "none" });
  return await recordFrames(context, "firehose", context.values.relayHosts, source);
}

/** Records frames of a labeler. Answers the exit status. */
export async function recordLabeler(context: CommandContext<typeof recordLabelerOptions>): Promise<number> {
  const { labels } = await import("../../lib/sources/labels.ts");
  const source = (live: LiveOptions) => labels({ ...live, begin: "live" });
  return await recordFrames(context, "labeler", context.values.labelerHosts, source);
}

type FramesContext = CommandContext<Omit<typeof recordFirehoseOptions, "relayHosts">>;

async function recordFrames(
  context: FramesContext,
  name: string,
  hosts: readonly string[],
  makeSource: (live: LiveOptions) => LiveSource,
): Promise<number> {
  const { values } = context;
  const simulation = values.simulate ? await simulateRelay(values.numRecords, []) : undefined;
  await using _server = simulation?.server;
  return await record(context, { name, end: "until" }, (tap) => {
    const source = makeSource({ ...liveOf(values, simulation?.place ?? { hosts }, ""), tap });
    if (source.hosts.length === 1) return source;
    throw new ConfigError(`Cannot record ${source.hosts.join(" and ")} together: a recording has one host`);
  });
}
