/**
 * Another program that locks a SQLite file: `hold_lock.ts FILE MILLISECONDS`. It prints `ready`, waits until there is a file beside it
 * that is called `FILE.go`, and prints `locked` once it has the lock.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { fileExists } from "../support/program.ts";

const [file = "", ms = ""] = Deno.args;

console.log("ready");
while (!fileExists(`${file}.go`)) await new Promise((resolve) => setTimeout(resolve, 5));
using db = new DatabaseSync(file, { timeout: 10_000 });
db.exec("BEGIN IMMEDIATE");
console.log("locked");
await new Promise((resolve) => setTimeout(resolve, Number(ms)));
db.exec("ROLLBACK");
