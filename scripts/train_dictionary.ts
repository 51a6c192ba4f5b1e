/**
 * Makes lib/simulate/dictionary_data.ts again: the zstd dictionary of simulated servers, trained on generated events of all
 * wires by the command `zstd --train` (Debian's package zstd). Prints what messages of another network shrink to.
 *
 * The networks it learns from are not those that a server shows by default, so that it knows how events are written, as a
 * real dictionary does, and not which posts there are.
 *
 * @module
 */
import { SIMULATE_DICTIONARY_ID } from "../lib/net/zstd/ids.ts";
import { generatedEvents } from "../lib/simulate/generator.ts";

/**
 * Bytes of the dictionary. The codec reads all of them again for each message: 24 KiB make 0.3 % less of the messages, and the
 * server a third slower.
 */
const SIZE = 8 * 1024;
/** The first of the networks to learn from, and how many. */
const FIRST_RNG = 1_000_001, NETWORKS = 100;
/** Events of each network on each wire; networks follow each other by eleven days, from 2024 to 2026. */
const EVENTS = 150, STEP_US = 11 * 86_400 * 1e6;
const WIRES = ["v1", "legacy", "v2"] as const;

if (import.meta.main) await train();

async function train(): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const samples: string[] = [];
    for (let n = 0; n < NETWORKS; n++) samples.push(...messages(FIRST_RNG + n, n * STEP_US));
    const paths = samples.map((_, n) => `${folder}/${n}.json`);
    samples.forEach((text, n) => Deno.writeTextFileSync(paths[n]!, text));
    const list = `${folder}/list`, dictionary = `${folder}/dictionary`;
    await Deno.writeTextFile(list, paths.join("\n"));
    const options = [`--maxdict=${SIZE}`, `--dictID=${SIMULATE_DICTIONARY_ID}`, "-q", "-19"];
    await zstd("--train", "--filelist", list, ...options, "-o", dictionary);
    const bytes = await Deno.readFile(dictionary);
    await Deno.writeTextFile(new URL("../lib/simulate/dictionary_data.ts", import.meta.url), moduleOf(bytes));
    console.log(`${bytes.length} bytes from ${samples.length} messages`);
    for (const wire of WIRES) console.log(`${wire}: ${await ratio(folder, dictionary, wire)} % of the plain messages`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The first messages of a network, on all wires. */
function messages(rng: number, sinceUs: number, wires: readonly (typeof WIRES[number])[] = WIRES): string[] {
  const store = generatedEvents({ rng, epoch: Date.UTC(2024, 0, 1) * 1000 + sinceUs });
  return wires.flatMap((wire) => Array.from({ length: EVENTS }, (_, n) => store.read(n + 1, wire, undefined) ?? ""));
}

/** What messages of the default network shrink to, each compressed by itself, in percent. */
async function ratio(folder: string, dictionary: string, wire: typeof WIRES[number]): Promise<string> {
  const texts = messages(1, NETWORKS * STEP_US, [wire]);
  const paths = texts.map((_, n) => `${folder}/${wire}${n}.json`);
  texts.forEach((text, n) => Deno.writeTextFileSync(paths[n]!, text));
  await zstd("-q", "-3", "-D", dictionary, ...paths);
  const size = (path: string) => Deno.statSync(path).size;
  const sum = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);
  return (100 * sum(paths.map((path) => size(`${path}.zst`))) / sum(paths.map(size))).toFixed(1);
}

async function zstd(...args: string[]): Promise<void> {
  const { success } = await new Deno.Command("zstd", { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`Cannot train dictionary: zstd ${args[0]} failed`);
}

function moduleOf(bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,120}/g)!.join("\n");
  return `/**
 * Made by scripts/train_dictionary.ts from generated events: base64 of a zstd dictionary.
 *
 * @module
 */

/** The bytes of the simulated servers' dictionary, as base64 in lines. */
export const DICTIONARY_BASE64 = \`
${lines}
\`;
`;
}
