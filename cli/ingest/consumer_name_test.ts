import assert from "node:assert/strict";
import { inFolder } from "../../tests/support/temp.ts";
import { holdConsumerName } from "./consumer_name.ts";

Deno.test("a process gets the lowest number that is free in its group", () =>
  inFolder(async (folder) => {
    await using first = await holdConsumerName(folder, "g", "h");
    await using second = await holdConsumerName(folder, "g", "h");
    await using other = await holdConsumerName(folder, "a/b", "h");
    assert.deepEqual([first.name, second.name, other.name], ["h-0", "h-1", "h-0"]);
    await first[Symbol.asyncDispose]();
    await using again = await holdConsumerName(folder, "g", "h");
    assert.equal(again.name, "h-0");
  }));
