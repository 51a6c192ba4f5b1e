/**
 * Gaps of `megastream`: a file that had vanished is looked for again.
 *
 * @module
 */
import type { PassesFigures } from "../megastream/passes.ts";
import { makeReading, openState } from "../megastream/reading.ts";
import type { MegastreamContext } from "../megastream/store.ts";
import type { Target } from "../target.ts";
import { HEALED, type Healer, open, STOPPED } from "./verdict.ts";

/** Reads files as the command would, whatever their age and however often they were tried. */
export function megastreamHealer(context: MegastreamContext, target: Target): Healer {
  const values = {
    ...context.values,
    mode: "once",
    retryFailed: true,
    since: undefined,
    maxRewind: undefined,
    noRewind: false,
  } as const;
  return async ({ host: name }, delivery) => {
    const reading = await makeReading({ ...context, values }, target, name);
    await reading.begin!();
    await reading.run(delivery);
    if (delivery.stop.aborted) return STOPPED;
    const entry = (await openState(target, true)).entry(name);
    if (entry?.status === "processed") return HEALED;
    const { members } = reading.report!(undefined, { endedBy: "source", durationMs: 0 });
    const isThere = (members as Pick<PassesFigures, "files">).files.eligible > 0;
    return open(isThere ? `it cannot be read: ${entry?.error ?? "nothing tells why"}` : "it is not there");
  };
}
