/**
 * A picture on a terminal that is drawn again each second, in place.
 *
 * @module
 */
import { messageOf } from "../../lib/pipeline/errors.ts";
import { writeOut } from "../kit/terminal.ts";
import { fit } from "./text_width.ts";
import { type Line, pictureOf, type Rate, type Seen, textOf } from "./picture.ts";

/** Options of {@linkcode showScreen}. */
export interface ScreenOptions {
  readonly first: Seen;
  readonly look: () => Promise<Seen>;
  readonly color: boolean;
  /** Aborts when it is to end. */
  readonly stop: AbortSignal;
}

const EVERY_MS = 1000, KEPT_RATES = 60;

/** Another screen without a cursor, and back. */
const ENTER = "\x1b[?1049h\x1b[?25l", LEAVE = "\x1b[?25h\x1b[?1049l";

/** Shows an instance until `q` is pressed or `stop` aborts. One that stops answering is waited for. */
export async function showScreen({ first, look, color, stop }: ScreenOptions): Promise<void> {
  const quit = new AbortController();
  const end = AbortSignal.any([stop, quit.signal]);
  const keys = readKeys(quit);
  const encoder = new TextEncoder();
  const rates: Rate[] = [];
  try {
    await writeOut(encoder.encode(ENTER));
    for (let seen = first, trouble: string | undefined; !end.aborted;) {
      if (trouble === undefined) {
        rates.push({ received: seen.stats.details.received_per_s, written: seen.stats.details.written_per_s });
      }
      if (rates.length > KEPT_RATES) rates.shift();
      await writeOut(encoder.encode(frame(seen, rates, trouble, color)));
      await pause(EVERY_MS, end);
      if (end.aborted) break;
      try {
        seen = await look();
        trouble = undefined;
      } catch (error) {
        trouble = messageOf(error);
      }
    }
  } finally {
    await keys.close();
    await writeOut(encoder.encode(LEAVE));
  }
}

/** Every line is written over what is there, the rest is wiped: nothing flickers. */
function frame(seen: Seen, rates: readonly Rate[], trouble: string | undefined, color: boolean): string {
  const { columns, rows } = Deno.consoleSize();
  const [width, height] = [columns || 80, rows || 24]; // A terminal may not know how large it is.
  const warning: Line[] = trouble === undefined ? [] : [{ text: fit(`■ ${trouble}`, width), kind: "bad" }];
  const picture = pictureOf(seen, { width, height: height - warning.length - 1, rates, now: Date.now() });
  const lines = textOf([...warning, ...picture, { text: "q to quit" }], color);
  return `\x1b[H${lines.join("\x1b[K\r\n")}\x1b[J`;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/** Reads single keys; `q` aborts. */
function readKeys(quit: AbortController): { close(): Promise<void> } {
  if (!Deno.stdin.isTerminal()) return { close: () => Promise.resolve() };
  Deno.stdin.setRaw(true, { cbreak: true });
  const reader = Deno.stdin.readable.getReader();
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (/[qQ]/.test(new TextDecoder().decode(value))) quit.abort();
    }
  })();
  return {
    async close() {
      Deno.stdin.setRaw(false);
      await Promise.all([reader.cancel(), reading]);
    },
  };
}
