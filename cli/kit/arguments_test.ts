import assert from "node:assert/strict";
import { demoOptions } from "../../tests/support/demo_program.ts";
import { parseArguments } from "./arguments.ts";

function texts(...args: string[]): Record<string, string> {
  const { flags, faults } = parseArguments(args, demoOptions);
  assert.deepEqual(faults, []);
  return Object.fromEntries([...flags].map(([key, { text }]) => [key, text]));
}

function faultOf(...args: string[]): string {
  const { faults } = parseArguments(args, demoOptions);
  assert.equal(faults.length, 1, faults.join("\n"));
  return faults[0]!;
}

Deno.test("values follow their flag or its equals sign, lists add up", () => {
  assert.deepEqual(texts("--batch-size", "5", "--db=x=y", "-c", "a,b", "-cd", "--dry-run"), {
    "batch-size": "5",
    "db": "x=y",
    "wanted-collections": "a,b,d",
    "dry-run": "true",
  });
});

Deno.test("a switch has an opposite, also one that is called no-x", () => {
  assert.deepEqual(texts("--no-dedupe", "--no-dry-run"), { "dedupe": "false", "dry-run": "false" });
  assert.deepEqual(texts("--no-rewind"), { "no-rewind": "true" });
  assert.deepEqual(texts("--rewind"), { "no-rewind": "false" });
});

Deno.test("single-dash spellings of Go tools are long options, but never values or what follows --", () => {
  assert.deepEqual(texts("-dry-run", "-max-rewind", "5", "-batch-size=7", "-no-rewind"), {
    "dry-run": "true",
    "max-rewind": "5",
    "batch-size": "7",
    "no-rewind": "true",
  });
  assert.deepEqual(parseArguments(["--", "-dry-run"], demoOptions).positionals, [{ text: "-dry-run", index: 1 }]);
});

Deno.test("negative numbers and - are values, another option is not", () => {
  assert.deepEqual(texts("--batch-size", "-5", "--db", "-"), { "batch-size": "-5", db: "-" });
  assert.equal(faultOf("--db", "--dry-run"), 'Cannot use option "--db": a value is required');
});

Deno.test("L2: what is wrong with flags is said, with the nearest spelling", () => {
  assert.equal(
    faultOf("--batchsize=5"),
    'Cannot use option "--batchsize": no such option, did you mean "--batch-size"?',
  );
  assert.equal(faultOf("-xyz"), 'Cannot use option "-xyz": no such option');
  assert.equal(faultOf("--db"), 'Cannot use option "--db": a value is required');
  assert.equal(faultOf("--db="), 'Cannot use option "--db": a value is required');
  assert.equal(faultOf("--db", "a", "--db", "b"), 'Cannot use option "--db": it is given more than once');
  assert.equal(
    faultOf("--dry-run=no"),
    'Cannot use option "--dry-run": it takes no value, "--no-dry-run" is its opposite',
  );
});

Deno.test("L5: the value of a misspelled option is not repeated", () => {
  assert.doesNotMatch(faultOf("--api-kye=marker"), /marker/);
});
