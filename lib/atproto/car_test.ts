import { deepEqual, equal, ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { writeCarStream } from "@atcute/car";
import { toCidLink } from "@atcute/cbor";
import { PoisonError } from "../pipeline/errors.ts";
import { readCar } from "./car.ts";
import { carOf, cidOf, encode, fromHex, Raw } from "./test_frames.ts";

const blocks = (count: number) => Array.from({ length: count }, (_, i) => encode({ i }));

function refusal(bytes: Uint8Array): string {
  try {
    readCar(bytes);
  } catch (error) {
    ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
  return "none";
}

Deno.test("blocks of a CAR that the library wrote are found, few or many", async () => {
  for (const count of [1, 64, 65, 1000]) {
    const all = blocks(count);
    const root = cidOf(all[0]!);
    const entries = all.map((data) => ({ cid: cidOf(data).bytes as Uint8Array<ArrayBuffer>, data }));
    const parts = await Array.fromAsync(writeCarStream([toCidLink({ bytes: root.bytes } as never)], entries as never));
    const car = readCar(Buffer.concat(parts));
    equal(car.root.toString(), root.toString());
    equal(car.size, count);
    for (const block of all) deepEqual(car.find(cidOf(block).bytes), block);
    equal(car.find(cidOf(encode("none")).bytes), undefined);
    equal(car.find(root.bytes.subarray(0, 35)), undefined);
  }
});

Deno.test("repeated blocks, other kinds of CIDs, several roots and empty blocks are tolerated", () => {
  const [a, b] = blocks(2) as [Buffer, Buffer];
  const root = cidOf(a);
  const copies = [a, [root, b], a] as const;
  deepEqual(readCar(carOf(root, copies)).find(root.bytes), a); // the first one
  const many = readCar(carOf(root, [...copies, ...Array<Buffer>(100).fill(b)]));
  deepEqual(many.find(root.bytes), a);
  const odd = ["01550000", `1220${"00".repeat(32)}`].map((hex) => Buffer.from(fromHex(hex)));
  const sections = odd.map((cid) => Buffer.concat([Buffer.of(cid.length + 1), cid, Buffer.of(0)]));
  const car = readCar(Buffer.concat([carOf(root, [a]), ...sections, Buffer.of(36), root.bytes]));
  equal(car.size, 4);
  deepEqual(car.find(odd[0]!), Buffer.of(0));
  const header = encode({ roots: [root, cidOf(b)], version: 1 });
  equal(readCar(Buffer.concat([Buffer.of(header.length), header])).root.toString(), root.toString());
});

Deno.test("F23: a CAR that is cut is refused wherever no block ends, and never more than its whole blocks are found", () => {
  const all = blocks(3);
  const whole = carOf(cidOf(all[0]!), all);
  const ends = [0, 1, 2, 3].map((count) => carOf(cidOf(all[0]!), all.slice(0, count)).length);
  for (let end = 0; end < whole.length; end++) {
    const cut = whole.subarray(0, end);
    if (ends.includes(end)) equal(readCar(cut).size, ends.indexOf(end));
    else equal(refusal(cut), end < ends[0]! ? "car-header" : "car-block", `cut at ${end}`);
  }
});

Deno.test("a CAR with a header of another kind is refused", () => {
  const root = cidOf(encode(1));
  const bodies = [
    encode({ roots: [root], version: 2 }),
    encode({ roots: [root] }),
    encode({ roots: [], version: 1 }),
    encode({ roots: ["bafy"], version: 1 }),
    encode({ version: 1 }),
    encode([root, 1]),
    encode(new Raw("ff")),
  ];
  for (const body of bodies) equal(refusal(Buffer.concat([Buffer.of(body.length), body])), "car-header");
});

Deno.test("blocks without length or CID are refused", () => {
  const start = carOf(cidOf(encode(1)), []);
  for (const hex of ["00", "01 00", "02 0171", "80", "ffffffffffffffffff 01", "25 02711220" + "00".repeat(33)]) {
    equal(refusal(Buffer.concat([start, fromHex(hex)])), "car-block", hex);
  }
  // A CID that goes on behind the end of its block.
  equal(refusal(Buffer.concat([start, Buffer.of(10), cidOf(encode(1)).bytes])), "car-block");
});
