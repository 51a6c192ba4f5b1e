import { deepEqual, rejects } from "node:assert/strict";
import { turns } from "../../../tests/support/pipeline_ends.ts";
import type { Line } from "./body.ts";
import { holdBack } from "./hold_back.ts";
import type { Plan } from "./plan.ts";

const never = new AbortController().signal;

/** A plan that writes likes with these letters as ids. */
function planOf(ids: string, purges = false): Plan {
  const places = new Map([["likes", new Map([...ids].map((id, i) => [id, i]))]]) as Plan["places"];
  const lines = [...ids].map((id, item) => ({ write: { id }, item })) as unknown as Line[];
  return { lines, folded: [], dead: new Map(), writes: [], places, purges: purges ? [{} as never] : [] };
}

/** A batch that says what of it is held, and waits twice: for its turn, and to be told how it ends. */
function batches() {
  const held = holdBack();
  const ends = new Map<string, (fault?: Error) => void>();
  const log: string[] = [];
  const run = (ids: string, { purges = false, signal = never } = {}) =>
    held.run(planOf(ids, purges), signal, async (turn) => {
      const waits = [...turn.held].map(({ write }) => write.id).join("");
      log.push(waits === "" ? ids : `${ids} (${waits})`);
      await turn.earlier();
      log.push(`${ids}'s turn`);
      await new Promise<void>((resolve, reject) =>
        ends.set(ids, (fault) => fault === undefined ? resolve() : reject(fault))
      );
    });
  const end = async (ids: string, fault?: Error) => {
    ends.get(ids)!(fault);
    await turns(5);
  };
  /** What was logged since the last call. */
  const news = async () => {
    await turns(5);
    return log.splice(0);
  };
  return { run, end, news, idle: () => held.idle() };
}

Deno.test("E35: a line with a document of a running batch waits for that, all others go at once", async () => {
  const { run, end, news } = batches();
  const all = [run("ab"), run("bc"), run("d"), run("cd")];
  deepEqual(await news(), ["ab", "bc (b)", "d", "cd (cd)", "ab's turn", "d's turn"]);
  await end("ab");
  deepEqual(await news(), ["bc's turn"]);
  await end("bc");
  deepEqual(await news(), []);
  await end("d");
  deepEqual(await news(), ["cd's turn"]);
  await end("cd");
  await Promise.all(all);
});

Deno.test("holdBack: a batch that failed is waited for no longer", async () => {
  const { run, end, news } = batches();
  const failed = rejects(run("a"), /Reset/), second = run("ab"), third = run("b");
  deepEqual(await news(), ["a", "ab (a)", "b (b)", "a's turn"]);
  await end("a", new Error("Reset"));
  await failed;
  deepEqual(await news(), ["ab's turn"]);
  await end("ab");
  deepEqual(await news(), ["b's turn"]);
  await end("b");
  const again = run("a");
  deepEqual(await news(), ["a", "a's turn"]);
  await end("a");
  await Promise.all([second, third, again]);
});

Deno.test("holdBack: a purge waits for all that began before, nothing waits for a purge", async () => {
  const { run, end, news, idle } = batches();
  const all = [run("a"), run("b"), run("p", { purges: true }), run("c")];
  deepEqual(await news(), ["a", "b", "p", "c", "a's turn", "b's turn", "c's turn"]);
  await end("a");
  deepEqual(await news(), []);
  await end("b");
  deepEqual(await news(), ["p's turn"]);
  let settled = false;
  const quiet = idle().then(() => settled = true);
  await end("p");
  deepEqual(settled, false);
  await end("c");
  await Promise.all([...all, quiet]);
});

Deno.test("holdBack: who waits can give up", async () => {
  const { run, end, news } = batches();
  const controller = new AbortController();
  const first = run("a"), gone = rejects(run("ab", { signal: controller.signal }), /Enough/);
  deepEqual(await news(), ["a", "ab (a)", "a's turn"]);
  controller.abort(new Error("Enough"));
  await gone;
  await end("a");
  await first;
});
