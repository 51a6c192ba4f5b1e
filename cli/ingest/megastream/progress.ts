/**
 * What is said while files are read.
 *
 * @module
 */
import { spanText } from "../../kit/units.ts";
import type { ProgressText } from "../../progress.ts";
import type { Live } from "./read_file.ts";

/** File, rows, rate and the time that is left; between two passes, how old the newest file is and when the next one begins. */
export function progressOf(live: Live): ProgressText {
  return (rates, elapsedMs, nowMs) => {
    const { current, nextPassAt, newestUs } = live.figures;
    if (current) return [...fileText(live, rates.received), ...leftText(live, elapsedMs)].join("  ");
    if (nextPassAt === undefined) return "looking for files";
    const age = newestUs === undefined
      ? "no file yet"
      : `newest file ${spanText(Math.max(0, nowMs - newestUs / 1000))} old`;
    return `${age}  next look in ${spanText(Math.max(0, nextPassAt - nowMs))}`;
  };
}

function fileText({ figures, source }: Live, rate: number): string[] {
  const n = (value: number) => Math.round(value).toLocaleString("en-US");
  const { file, number, of } = figures.current!;
  const texts = [`${file.name} (${n(number)} of ${n(of)})`];
  if (source?.row === undefined) return [...texts, "opening"];
  return [
    ...texts,
    `row ${n(source.row)}${source.last === undefined ? "" : ` of ${n(source.last)}`}`,
    `${n(rate)} rows/s`,
  ];
}

/** From the bytes that are read and those that are not, as if rows were all of one size. */
function leftText({ figures: { current, bytesDone, bytesLeft }, source }: Live, elapsedMs: number): string[] {
  const { size } = current!.file;
  const read = size * Math.min(1, (source?.row ?? 0) / (source?.last || 1));
  const done = bytesDone + read;
  if (done === 0) return [];
  return [`${spanText(elapsedMs * (bytesLeft + size - read) / done)} left`];
}
