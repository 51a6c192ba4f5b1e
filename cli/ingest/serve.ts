/**
 * The work of the `simulate` command.
 *
 * @module
 */
import { ConfigError, messageOf, PoisonError } from "../../lib/pipeline/errors.ts";
import { type EventLine, loadEventLines } from "../../lib/simulate/events.ts";
import { type SimulateOptions, startSimulate } from "../../lib/simulate/server.ts";
import type { CommandContext } from "../kit/command.ts";
import type { Values } from "../kit/declaration.ts";
import type { simulateOptions } from "../options/simulate.ts";
import { listenForSignals } from "../signals.ts";
import { dictionarySettings } from "./dictionary.ts";

/** Serves until the first signal. */
export async function serveUntilSignal(context: CommandContext<typeof simulateOptions>): Promise<number> {
  const { values, positionals, globals } = context;
  const { hostname, port } = addressOf(values.serve);
  const recorded = positionals.length === 0 ? undefined : await readRecorded(positionals);
  const { dictionary } = dictionarySettings(values.zstdDictionary, context.env);
  using signals = listenForSignals({ shutdownTimeoutMs: globals.shutdownTimeout });
  await using server = await startSimulate({
    hostname,
    port,
    kind: values.kind,
    rate: values.rate,
    rng: values.rng,
    accounts: values.accounts,
    epoch: values.epoch ?? "now",
    collections: values.collections,
    count: values.count,
    oldest: values.oldest,
    ...recorded,
    ...(dictionary && { dictionary }),
    ...faultsOf(values),
  });
  await context.stdout(JSON.stringify({
    jetstream: server.jetstream,
    jetstream_v2: server.jetstreamV2,
    relay: server.relay,
    labeler: server.relay,
    http: server.url,
  }));
  if (!signals.stop.aborted) {
    await new Promise((resolve) => signals.stop.addEventListener("abort", resolve, { once: true }));
  }
  return 0;
}

function faultsOf(values: Values<typeof simulateOptions>) {
  const { closeAfter, closeCode, stallAfter, refuse, retryAfter, errorFrame, damage } = values;
  return {
    ...(closeAfter !== undefined && { closeAfter, closeCode }),
    ...(stallAfter !== undefined && { stallAfter }),
    ...(refuse && { refuse: refuse.status, refuseTimes: refuse.times }),
    ...(retryAfter !== undefined && { retryAfter: Math.ceil(retryAfter / 1000) }),
    ...(errorFrame && { errorFrame }),
    ...(damage !== undefined && { damage }),
  };
}

/** `127.0.0.1:6008`, `[::1]:6008`, `:6008`. */
function addressOf(text: string): { readonly hostname: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new ConfigError(`Cannot serve on "${text}": it must be HOST:PORT`);
  return { hostname: match[1] ?? (match[2] || "127.0.0.1"), port };
}

/** What is served in place of made-up events: lines of Jetstream, or frames of a relay, which Jetstream serves as well. */
async function readRecorded(files: readonly string[]): Promise<Pick<SimulateOptions, "events" | "frames">> {
  const areLines = await Promise.all(files.map(isText));
  if (areLines.every((isLines) => isLines)) return { events: await readEvents(files) };
  if (areLines.some((isLines) => isLines)) {
    throw new ConfigError(`Cannot serve ${files.join(" and ")} together: some have lines, and some have frames`);
  }
  const { loadFrames } = await import("../../lib/simulate/relay/recorded.ts");
  const { frameEventLines } = await import("../../lib/simulate/relay/decoded.ts");
  const frames: Uint8Array[] = [];
  for (const file of files) {
    try {
      frames.push(...await loadFrames(file));
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      throw new ConfigError(`Cannot read frames of ${file}: ${error.message}`, { cause: error });
    }
  }
  return { frames, events: frameEventLines(frames) };
}

/** Lines of JSON begin with a brace; the length of a frame, gzip and zstd do not. */
async function isText(file: string): Promise<boolean> {
  try {
    using opened = await Deno.open(file);
    const head = new Uint8Array(64);
    const length = await opened.read(head) ?? 0;
    return /^\s*(\{|$)/.test(new TextDecoder().decode(head.subarray(0, length)));
  } catch (error) {
    throw new ConfigError(`Cannot read events of ${file}: ${messageOf(error)}`, { cause: error });
  }
}

async function readEvents(files: readonly string[]): Promise<EventLine[]> {
  const events: EventLine[] = [];
  for (const file of files) {
    let text: string;
    try {
      text = await Deno.readTextFile(file);
    } catch (error) {
      throw new ConfigError(`Cannot read events of ${file}: ${messageOf(error)}`, { cause: error });
    }
    try {
      for (const event of loadEventLines(text)) events.push(event);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(`${file}: ${error.message}`, { cause: error });
    }
  }
  return events;
}
