import assert from "node:assert/strict";
import { type Moment, snapshotEvents } from "./events.ts";
import type { RatePoint } from "./snapshot.ts";

const POINTS: RatePoint[] = [[1, 10, 10], [2, 20, 20]];

function moment(points: readonly RatePoint[] = POINTS): Moment {
  return {
    snapshot: { stats: { totalEvents: 1 } } as unknown as Moment["snapshot"],
    ratesAfter: (at) => points.filter((point) => point[0] > at),
  };
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

async function next(reader: Reader): Promise<string | undefined> {
  const { value, done } = await reader.read();
  return done ? undefined : new TextDecoder().decode(value);
}

const ratesIn = (text: string) => JSON.parse(/^data: (.*)$/m.exec(text)![1]!).rates;

Deno.test("a listener gets everything at once, then what is new, and a comment every 15 s", async () => {
  const points = [...POINTS];
  const events = snapshotEvents(() => moment(points));
  const reader = events.open()!.getReader();
  const first = await next(reader);
  assert.match(
    first!,
    /^retry: 3000\n\nevent: snapshot\ndata: \{"stats":\{"totalEvents":1\},"rates":\[\[1,10,10\],\[2,20,20\]\]\}\n\n$/,
  );
  points.push([3, 30, 30]);
  for (let tick = 1; tick <= 15; tick++) {
    events.tick();
    const text = await next(reader);
    assert.deepEqual(ratesIn(text!), tick === 1 ? [[3, 30, 30]] : []);
    assert.equal(text!.startsWith(": "), tick === 15);
  }
  events.close();
  assert.equal(await next(reader), undefined);
});

Deno.test("W39: twenty listeners, then no more until one leaves", async () => {
  const events = snapshotEvents(moment);
  const readers = Array.from({ length: 20 }, () => events.open()!.getReader());
  assert.equal(events.open(), undefined);
  await readers[0]!.cancel();
  assert.equal(events.listeners, 19);
  assert.notEqual(events.open(), undefined);
  events.close();
  assert.deepEqual([events.listeners, events.open()], [0, undefined]);
});

Deno.test("W39: whoever does not read gets no more than the first, and all points once he does", async () => {
  const points: RatePoint[] = [];
  const events = snapshotEvents(() => moment(points));
  const reader = events.open()!.getReader();
  for (let at = 1; at <= 1000; at++) {
    points.push([at, at, at]);
    events.tick();
  }
  assert.deepEqual(ratesIn((await next(reader))!), []);
  events.tick();
  assert.equal(ratesIn((await next(reader))!).length, 1000);
  events.close();
});
