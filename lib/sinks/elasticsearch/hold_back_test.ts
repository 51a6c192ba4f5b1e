import { deepEqual, rejects } from "node:assert/strict";
import { turns } from "../../../tests/support/pipeline_ends.ts";
import { holdBack } from "./hold_back.ts";
import type { Plan } from "./plan.ts";

const never = new AbortController().signal;

/** A plan that writes likes with these letters as ids. */
function planOf(ids: string, purges = false): Plan {
  const places = new Map([["likes", new Map([...ids].map((id, i) => [id, i]))]]) as Plan["places"];
  return { lines: [], folded: [], dead: new Map(), writes: [], places, purges: purges ? [{} as never] : [] };
}

/** Batches that begin when they may, and end when they are told to. */
function batches() {
  const held = holdBack();
  const ends = new Map<string, (fault?: Error) => void>();
  const begun: string[] = [];
  const run = (ids: string, purges?: boolean, signal = never) =>
    held.run(planOf(ids, purges), signal, () => {
      begun.push(ids);
      return new Promise<void>((resolve, reject) =>
        ends.set(ids, (fault) => fault === undefined ? resolve() : reject(fault))
      );
    });
  return { run, begun, end: (ids: string, fault?: Error) => ends.get(ids)!(fault), idle: () => held.idle() };
}

Deno.test("E35: a batch with a document of a running one waits for it, others do not", async () => {
  const { run, begun, end } = batches();
  const all = [run("ab"), run("bc"), run("d"), run("c")];
  await turns(2);
  deepEqual(begun, ["ab", "d"]);
  end("ab");
  await turns(2);
  deepEqual(begun, ["ab", "d", "bc"]);
  end("d");
  await turns(2);
  deepEqual(begun, ["ab", "d", "bc"]);
  end("bc");
  await turns(2);
  deepEqual(begun, ["ab", "d", "bc", "c"]);
  end("c");
  await Promise.all(all);
});

Deno.test("holdBack: a batch that failed is waited for no longer", async () => {
  const { run, begun, end } = batches();
  const first = run("a"), second = run("a");
  end("a", new Error("Reset"));
  await rejects(first, /Reset/);
  await turns(2);
  deepEqual(begun, ["a", "a"]);
  end("a");
  await second;
});

Deno.test("holdBack: a purge waits for all that began before, nothing waits for a purge", async () => {
  const { run, begun, end, idle } = batches();
  const all = [run("a"), run("b"), run("p", true), run("c")];
  await turns(2);
  deepEqual(begun, ["a", "b", "c"]);
  for (const ids of ["a", "b"]) end(ids);
  await turns(2);
  deepEqual(begun, ["a", "b", "c", "p"]);
  let settled = false;
  const quiet = idle().then(() => settled = true);
  end("p");
  await turns(2);
  deepEqual(settled, false);
  end("c");
  await Promise.all([...all, quiet]);
});

Deno.test("holdBack: who waits can give up", async () => {
  const { run, begun, end } = batches();
  const controller = new AbortController();
  const first = run("a"), second = run("a", false, controller.signal);
  controller.abort(new Error("Enough"));
  await rejects(second, /Enough/);
  end("a");
  await first;
  deepEqual(begun, ["a"]);
});
