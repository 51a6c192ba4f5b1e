/**
 * The library that compresses, and that our own decoder is compared with.
 *
 * @module
 */

type Library = typeof import("@bokuweb/zstd-wasm");

let loading: Promise<Library> | undefined;

/** Loads it once: by a second `init()` it would get another memory, to which the contexts made before do not belong. */
export function loadLibrary(): Promise<Library> {
  return loading ??= load();
}

async function load(): Promise<Library> {
  const library = await import("@bokuweb/zstd-wasm");
  await library.init();
  return library;
}
