/**
 * Every source and every sink with every fault that can happen to it. What each cell counted is printed at the end, as a table;
 * `docs/faults.md` says of each fault what a user sees and does, and is compared with what the runs said.
 */
import assert from "node:assert/strict";
import { registry } from "../../cli/registry.ts";
import { SINK_NAMES } from "../../lib/sinks/registry.ts";
import { sharedElasticsearch } from "../support/elasticsearch.ts";
import { sharedRedis } from "../support/redis.ts";
import { sharedS3 } from "../support/s3.ts";
import { serviceTest } from "../support/services.ts";
import { documentedFaults } from "./documented.ts";
import { type Figures, type Never, neverText, type Row, tableOf } from "./figures.ts";
import { PROCESS_FAULTS } from "./process_faults.ts";
import { SINK_FAULTS } from "./sink_faults.ts";
import { sinkSpecs } from "./sinks.ts";
import { CALM, SOURCE_FAULTS } from "./source_faults.ts";
import { sourceSpecs } from "./sources.ts";

const elasticsearch = sharedElasticsearch();
const redis = sharedRedis();
const sinks = sinkSpecs({ elasticsearch, redis });
const sources = sourceSpecs({ redis, s3: sharedS3() });
const rows: (Row & Figures)[] = [];
const never: Never[] = [];

Deno.test("every sink that is offered is in the matrix", () => {
  const missing = SINK_NAMES.filter((name) => !(name in sinks));
  assert.deepEqual(
    missing,
    [],
    `Add a place for each of these sinks to sinkSpecs in tests/matrix/sinks.ts: ${missing}`,
  );
});

Deno.test("every command that reads events into sinks is in the matrix", async () => {
  const missing: string[] = [];
  const known = new Set(Object.keys(sources).map((name) => name.split(" ")[0]));
  for (const { name, load } of registry) {
    const command = await load();
    if (!("subcommands" in command) && "sink" in command.options && !known.has(name)) missing.push(name);
  }
  assert.deepEqual(
    missing,
    [],
    `Add a place for each of these commands to sourceSpecs in tests/matrix/sources.ts: ${missing}`,
  );
});

for (const fault of [...PROCESS_FAULTS, ...SINK_FAULTS]) {
  for (const [name, spec] of Object.entries(sinks)) {
    const why = fault.never(spec);
    if (why !== undefined) never.push({ fault: fault.name, name, why });
    else {
      serviceTest(`jetstream into ${name}: ${fault.name}`, spec.needs, async () => {
        rows.push({ source: "jetstream", sink: name, fault: fault.name, ...await fault.run(spec) });
      });
    }
  }
}

/** Whatever goes wrong with a source does so into the sink that shows best whether anything is missing or there twice. */
const BEST = { sqlite: sinks.sqlite! };

for (const fault of [CALM, ...SOURCE_FAULTS]) {
  for (const [name, spec] of Object.entries(sources)) {
    for (const [sink, sinkSpec] of Object.entries(fault === CALM ? sinks : BEST)) {
      const why = fault.never(spec, sinkSpec);
      if (why !== undefined) never.push({ fault: fault.name, name, why });
      else {
        serviceTest(`${name} into ${sink}: ${fault.name}`, [...spec.needs, ...sinkSpec.needs], async () => {
          rows.push({ source: name, sink, fault: fault.name, ...await fault.run(spec, sinkSpec) });
        });
      }
    }
  }
}

Deno.test("docs/faults.md has a row for each fault, and none besides", () => {
  const faults = [...PROCESS_FAULTS, ...SINK_FAULTS, ...SOURCE_FAULTS].map(({ name }) => name);
  const documented = documentedFaults().flatMap(({ names }) => names);
  assert.deepEqual(documented.toSorted(), [...new Set(faults)].toSorted());
});

serviceTest("what docs/faults.md quotes was said", ["elasticsearch", "redis"], () => {
  for (const { names, quotes } of documentedFaults()) {
    const said = rows.filter(({ fault }) => names.includes(fault)).flatMap(({ said }) => said);
    // A run of a few cells has not heard everything.
    if (said.length === 0) continue;
    for (const quote of quotes) assert(said.some((line) => quote.test(line)), `Nobody said ${quote} (${names[0]})`);
  }
});

Deno.test.afterAll(() => {
  console.log(`${tableOf(rows)}\n\nWhat cannot happen:\n${neverText(never)}\n\n${rows.length} cells`);
});
