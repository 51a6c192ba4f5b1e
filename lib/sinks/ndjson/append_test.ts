import assert from "node:assert/strict";
import fc from "fast-check";
import { TransientError } from "../../pipeline/errors.ts";
import { appender, type AppendFile } from "./append.ts";

const osError = (code: string) => Object.assign(new Error(`${code} happened`), { code });

/** A file in memory on a disk of `capacity` bytes; `fails` says which of its calls fail besides. */
function fakeFile(capacity: number, fails: (call: string) => boolean = () => false) {
  const bytes: number[] = [];
  const disk = { capacity };
  const guard = (call: string) => fails(call) ? Promise.reject(osError("EIO")) : Promise.resolve();
  const file: AppendFile = {
    async write(data) {
      await guard("write");
      const room = disk.capacity - bytes.length;
      if (room <= 0) throw osError("ENOSPC");
      bytes.push(...data.subarray(0, room));
      return Math.min(room, data.length);
    },
    async truncate(length = 0) {
      await guard("truncate");
      bytes.length = length;
    },
    sync: () => guard("sync"),
    stat: () => Promise.resolve({ size: bytes.length } as Deno.FileInfo),
  };
  return { file, bytes, disk };
}

Deno.test("a disk that is full in the middle of a write: cut back, and the same again when there is room", async () => {
  const { file, bytes, disk } = fakeFile(5);
  const append = appender(file, "/a");
  await append([Uint8Array.of(1, 2)]);
  await assert.rejects(append([Uint8Array.of(3, 4), Uint8Array.of(5, 6)]), (e: unknown) => {
    return e instanceof TransientError && e.message === "Cannot write /a: no space left on the device";
  });
  assert.deepEqual(bytes, [1, 2]);
  disk.capacity = 100;
  await append([Uint8Array.of(3, 4), Uint8Array.of(5, 6)]);
  assert.deepEqual(bytes, [1, 2, 3, 4, 5, 6]);
});

Deno.test("whatever fails, and however often, chunks are there once each and in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.boolean()), fc.integer({ min: 1, max: 20 }), async (failures, chunks) => {
      const { file, bytes } = fakeFile(1000, () => failures.next().value!);
      const append = appender(file, "/a");
      for (let n = 0; n < chunks; n++) {
        let attempts = 0;
        while (!(await append([Uint8Array.of(n), Uint8Array.of(n)]).then(() => true, () => false))) {
          if (++attempts === 200) return fc.pre(false);
        }
      }
      assert.deepEqual(bytes, Array.from({ length: 2 * chunks }, (_, i) => i >> 1));
    }),
  );
});
