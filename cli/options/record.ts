/**
 * The options of `record`: where to record to, and what.
 *
 * @module
 */
import { choice, path, toggle } from "../kit/option.ts";
import { firehoseOptions, labelerOptions } from "./firehose.ts";
import { jetstreamOptions } from "./jetstream.ts";
import { listenOptions } from "./listen.ts";

const group = "Recording";

/** What all recordings have, as far as it does not name the command. */
const common = {
  numRecords: { ...jetstreamOptions.numRecords, help: "End after so many messages; 0 = never" },
  maxTime: jetstreamOptions.maxTime,
  format: choice(
    "format",
    { help: "recording keeps times and connections; ndjson: a line a message; frames: length and message", group },
    ["recording", "ndjson", "frames"],
    "recording",
  ),
  dryRun: toggle("dry-run", { help: "Do everything but write", group }),
  ...listenOptions,
} as const;

function out(command: string) {
  return path("out", {
    help: "The new file; - = stdout; .zst and .gz compress",
    group,
    common: true,
    defaultText: `${command}-<time>.rec.zst`,
  });
}

/** What all recordings have. */
export type RecordingOptions = typeof common & { readonly out: ReturnType<typeof out> };

const { noRewind: _noRewind, maxRewind: _maxRewind, race: _race, ...jetstream } = jetstreamOptions;

/** The options of `record jetstream`: those of `jetstream` that are not about saved positions, and where to record to. */
export const recordJetstreamOptions = { ...jetstream, out: out("jetstream"), ...common } as const;

/** Of streams of frames: every frame of one host is recorded, whatever is in it. */
function frameOptions(options: typeof labelerOptions | typeof firehoseOptions) {
  const { simulate, maxFrameBytes, idleTimeout, strict, cursor, until, onFutureCursor } = options;
  return { simulate, maxFrameBytes, idleTimeout, strict, cursor, until, onFutureCursor } as const;
}

/** The options of `record firehose`. */
export const recordFirehoseOptions = {
  relayHosts: { ...firehoseOptions.relayHosts, help: "Relay or PDS, one; http:// in front: unencrypted" },
  ...frameOptions(firehoseOptions),
  out: out("firehose"),
  ...common,
} as const;

/** The options of `record labeler`. */
export const recordLabelerOptions = {
  labelerHosts: { ...labelerOptions.labelerHosts, help: "Labeler, one; http:// in front: unencrypted" },
  ...frameOptions(labelerOptions),
  out: out("labeler"),
  ...common,
} as const;
