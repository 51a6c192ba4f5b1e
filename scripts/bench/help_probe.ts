/**
 * Loaded before the program, says at its end how much memory it took.
 *
 * @module
 */
import { peakRss } from "./measure.ts";

globalThis.addEventListener("unload", () => Deno.stderr.writeSync(new TextEncoder().encode(`\n${peakRss()}`)));
