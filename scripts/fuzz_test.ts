import { deepEqual, equal, match, notDeepEqual, ok } from "node:assert/strict";
import { randomFrom, startNumber } from "../tests/support/random.ts";
import { fuzz, type FuzzResult } from "./fuzz.ts";
import { mutate, MUTATORS } from "./fuzz_mutators.ts";
import { TARGETS } from "./fuzz_targets.ts";

const run = (target: string, seed = 1, limitMs = 100): Promise<FuzzResult> =>
  fuzz({ targets: new URL("./fuzz_demo_targets.ts", import.meta.url), target, seed, seconds: 0.3, limitMs });

Deno.test("a reader that refuses as it should passes", async () => {
  const { inputs, refused, fault } = await run("good", 1, 2000);
  equal(fault, undefined);
  ok(refused > 0 && inputs > refused, `${inputs} inputs, ${refused} refused`);
});

for (
  const [target, words] of [
    ["throws", /^SyntaxError/],
    ["hangs", /did not end within 100 ms/],
    ["never answers", /did not end within 100 ms/],
    ["slow", /took \d+ ms/],
    ["spoiled", /Cannot read anything any more/],
    ["bad sample", /Cannot read input/],
  ] as const
) {
  Deno.test(`a fault is found: ${target}`, async () => {
    const { fault } = await run(target);
    match(fault ?? "", words);
  });
}

Deno.test("as many inputs as wanted are read, also when the time is over", async () => {
  const targets = new URL("./fuzz_demo_targets.ts", import.meta.url);
  equal((await fuzz({ targets, target: "good", seed: 1, seconds: 0, least: 30 })).inputs, 30);
});

Deno.test("the number of a fault makes its input again, as the first one", async () => {
  const { faultSeed } = await run("throws", 1000);
  const again = await run("throws", faultSeed);
  deepEqual([again.inputs, again.faultSeed], [1, faultSeed]);
});

const samples = ['{"a":1,"b":[2,3]}', "x = 10\ny = 20\n"].map((text) => new TextEncoder().encode(text));

for (const [name, mutator] of Object.entries(MUTATORS)) {
  Deno.test(`${name} changes inputs, leaves the sample alone, and takes an empty one`, () => {
    const random = randomFrom(1);
    const before = samples.map((sample) => sample.slice());
    const changed = Array.from({ length: 20 }, () => mutator(samples[0]!, random, samples));
    notDeepEqual(changed, Array(20).fill(samples[0]));
    deepEqual(samples, before);
    ok(mutator(new Uint8Array(), random, samples) instanceof Uint8Array);
  });
}

Deno.test("inputs are the same for the same number, and differ between numbers", () => {
  const made = (start: number) => Array.from({ length: 50 }, (_, i) => mutate(samples, randomFrom(start + i)));
  deepEqual(made(1), made(1));
  notDeepEqual(made(1), made(2));
});

Deno.test("the fuzzer names its targets when asked for one that is not there", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./fuzz.ts", import.meta.url).pathname, "nothing"],
  }).output();
  equal(code, 2);
  match(new TextDecoder().decode(stderr), /^Usage: deno task fuzz .*config/m);
});

/** The cases of the specification that speak of it. */
const CASES: Readonly<Record<string, string>> = {
  "jetstream-v1": "J43: ",
  "jetstream-v2": "J43: ",
  "jetstream-zstd": "J43: ",
  "zstd": "J43: ",
  "megastream-row": "M39: ",
  "relay-frame": "F10: ",
  "label-frame": "F57: ",
  "record": "F20: ",
};
/** What writes files does a hundredth of what others do, and less on a busy machine. */
const LEAST = 20;

for (const { name } of TARGETS) {
  Deno.test(`${CASES[name] ?? ""}a moment of mutated input: ${name}`, async () => {
    const targets = new URL("./fuzz_targets.ts", import.meta.url);
    const seed = startNumber(`fuzz ${name}`);
    const { inputs, fault, faultSeed } = await fuzz({ targets, target: name, seed, seconds: 1.5, least: LEAST });
    equal(fault, undefined, `deno task fuzz --seconds 1 --seed ${faultSeed} ${name}`);
    // That the reader takes good input, at first and after each that it refused, the worker has seen to.
    ok(inputs >= LEAST, `${inputs} inputs`);
  });
}
