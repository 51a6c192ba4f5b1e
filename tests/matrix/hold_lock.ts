/**
 * Another program that keeps a SQLite file locked: `hold_lock.ts FILE MILLISECONDS`. It prints a line once it has it.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";

const [file = "", ms = ""] = Deno.args;

using db = new DatabaseSync(file, { timeout: 10_000 });
db.exec("BEGIN IMMEDIATE");
console.log("locked");
await new Promise((resolve) => setTimeout(resolve, Number(ms)));
db.exec("ROLLBACK");
