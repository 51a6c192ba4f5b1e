/**
 * Makes Megastream files: `make_megastream.ts [--out DIR] [--rng N]` those of `fixtures/megastream`, with
 * `--rows N [--row-bytes N] [--bare]` one big file, with `--files N` a folder of tiny ones. The same numbers give the same bytes.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { badFiles } from "./megastream/bad_files.ts";
import { goodFiles } from "./megastream/files.ts";
import { writeBigFile, writeTinyFiles } from "./megastream/many.ts";

/** Writes all fixtures into a folder, which is made. */
export async function writeFixtures(folder: string, rng = 1): Promise<void> {
  await Deno.mkdir(`${folder}/bad`, { recursive: true });
  for (const { name, bytes } of [...goodFiles(rng), ...badFiles(rng)]) await Deno.writeFile(`${folder}/${name}`, bytes);
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: "string" },
      rng: { type: "string", default: "1" },
      rows: { type: "string" },
      "row-bytes": { type: "string", default: "20000" },
      bare: { type: "boolean", default: false },
      files: { type: "string" },
    },
  });
  const fixtures = fileURLToPath(new URL("../fixtures/megastream", import.meta.url));
  const { rows, files, bare } = values, rng = numberOf("rng", values.rng);
  const big = rows !== undefined || files !== undefined;
  const out = values.out ?? (big ? "." : fixtures);
  await Deno.mkdir(out, { recursive: true });
  if (rows !== undefined) {
    const options = { rows: numberOf("rows", rows), rowBytes: numberOf("row-bytes", values["row-bytes"]), rng, bare };
    console.log(`${out}/${await writeBigFile(out, options)}`);
  }
  if (files !== undefined) await writeTinyFiles(out, numberOf("files", files), rng);
  if (!big) await writeFixtures(out, rng);
}

function numberOf(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`Cannot read --${option} ${JSON.stringify(text)}: it must be a whole number`);
}

if (import.meta.main) await main(Deno.args);
