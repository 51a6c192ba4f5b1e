/**
 * `deno run -A scripts/bench/compare.ts OLD.json NEW.json`: what a change did, from two outputs of `deno task bench --json`.
 * Above 1, the new one is faster. Rates of two runs differ by what else the machine did: ratios to a reference do less.
 *
 * @module
 */
import type { BenchFile } from "./main.ts";
import { formatTable, type Row, whole } from "./rows.ts";

function read(path: string): { readonly machine: string; readonly rows: ReadonlyMap<string, Row> } {
  const { machine, reports }: BenchFile = JSON.parse(Deno.readTextFileSync(path));
  const named = reports.flatMap(({ bench, rows }) => rows.map((row) => [`${bench}: ${row.case}`, row] as const));
  return { machine, rows: new Map(named) };
}

function lineOf(name: string, old: Row, now: Row): string[] {
  const pair = (of: (row: Row) => number | null, digits: number) =>
    [old, now].map((row) => of(row)?.toFixed(digits) ?? "-").join(" -> ");
  const share = now.itemsPerSecond / old.itemsPerSecond;
  const noise = Math.max(old.spread, now.spread);
  return [
    name,
    `${whole(old.itemsPerSecond)} -> ${whole(now.itemsPerSecond)}`,
    share.toFixed(2),
    pair((row) => row.ratio, 2),
    pair((row) => row.cpuUsPerItem, 2),
    pair((row) => row.peakRss && row.peakRss / 1e6, 0),
    Math.abs(share - 1) <= noise ? "within the spread" : share > 1 ? "faster" : "slower",
  ];
}

function compare(oldPath: string, newPath: string): void {
  const [old, now] = [read(oldPath), read(newPath)];
  if (old.machine !== now.machine) console.log(`Different machines: ${old.machine}; ${now.machine}`);
  const lines = [...now.rows].flatMap(([name, row]) => {
    const before = old.rows.get(name);
    return before ? [lineOf(name, before, row)] : [];
  });
  console.log(formatTable([["case", "items/s", "new/old", "ratio", "CPU us/item", "peak RSS, MB", ""], ...lines]));
  const [gone, added] = [
    [...old.rows.keys()].filter((n) => !now.rows.has(n)),
    [...now.rows.keys()].filter((n) => !old.rows.has(n)),
  ];
  for (const name of gone) console.log(`Only in ${oldPath}: ${name}`);
  for (const name of added) console.log(`Only in ${newPath}: ${name}`);
}

const [oldPath, newPath] = Deno.args;
if (oldPath === undefined || newPath === undefined) {
  console.error("Usage: deno run -A scripts/bench/compare.ts OLD.json NEW.json");
  Deno.exitCode = 2;
} else compare(oldPath, newPath);
