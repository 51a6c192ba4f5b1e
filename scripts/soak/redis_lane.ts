/**
 * Redis under soak: paused by stopping the server's process.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { microsToText } from "../../lib/atproto/time.ts";
import { startRedis } from "../../tests/support/redis.ts";
import type { Lane } from "./lane.ts";
import { createTally } from "./tally.ts";

const STREAM = "jetstream_live";
/** How many entries are read at once: this process is also the proxy, which should not wait for long. */
const READ = 2000;

/** A server of its own, with the home of its run in `folder`. */
export async function redisLane(folder: string, sent: (seq: number) => string): Promise<Lane> {
  const redis = await startRedis();
  const tally = createTally();
  let checked = "-";
  return {
    name: "redis",
    wire: "v2",
    folder,
    args: ["--sink", "redis", "--redis-url", redis.url],
    tally,
    async check() {
      for (let found = READ; found === READ;) {
        const from = checked === "-" ? "-" : `(${checked}`;
        const entries: [string, [string, string]][] = await redis.command(
          "XRANGE",
          STREAM,
          from,
          "+",
          "COUNT",
          `${READ}`,
        );
        for (const [, [, value]] of entries) {
          const entry: Entry = JSON.parse(value);
          tally.add(entry.seq, () => isAsSent(entry, JSON.parse(sent(entry.seq))));
        }
        checked = entries.at(-1)?.[0] ?? checked;
        found = entries.length;
      }
      if (checked !== "-") await redis.command("XTRIM", STREAM, "MINID", checked);
    },
    async pause(ms) {
      redis.freeze();
      await delay(ms);
      redis.thaw();
    },
    position: async () => JSON.parse(await redis.command("GET", `${STREAM}:cursor:jetstream`)).seq,
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
}

/** What a stream has of an event; see `formats` in README.md. */
interface Entry extends Record<string, unknown> {
  readonly seq: number;
}

/** A message of the v1 wire. */
interface Message {
  readonly did: string;
  readonly kind: string;
  readonly time_us: number;
  readonly commit?: Record<string, unknown>;
  readonly [inner: string]: unknown;
}

/** Compares all that both have. */
function isAsSent(entry: Entry, { did, kind, time_us, commit, ...message }: Message): boolean {
  const { operation = kind, ...inner } = commit ?? message[kind] as Record<string, unknown>;
  const expected: Record<string, unknown> = {
    ...inner,
    did,
    type: operation,
    seq: entry.seq,
    time: microsToText(time_us),
  };
  const text = (value: Record<string, unknown>) => JSON.stringify(Object.entries(value).sort());
  return text(entry) === text(expected);
}
