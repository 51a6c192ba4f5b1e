import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ConfigError, FatalError, TransientError } from "../pipeline/errors.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { faultOf, openingError, runningError } from "./sqlite_faults.ts";

function thrownBy(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown");
}

Deno.test("faults are told by the words that SQLite uses on this machine", () => {
  using folder = tempFolder();
  using db = new DatabaseSync(`${folder.path}/x.db`);
  db.exec("CREATE TABLE t (n TEXT NOT NULL) STRICT; PRAGMA max_page_count = 3");
  const insert = db.prepare("INSERT INTO t VALUES (?)");
  assert.equal(faultOf(thrownBy(() => insert.run("x".repeat(1_000_000)))), "no_space");
  assert.equal(faultOf(thrownBy(() => insert.run(null))), "constraint");
  assert.equal(faultOf(thrownBy(() => db.exec("SELECT zeroblob(2000000000)"))), "too_large");
  using other = new DatabaseSync(`${folder.path}/x.db`, { timeout: 1 });
  other.exec("BEGIN EXCLUSIVE");
  using third = new DatabaseSync(`${folder.path}/x.db`, { timeout: 1 });
  assert.equal(faultOf(thrownBy(() => third.exec("BEGIN IMMEDIATE"))), "busy");
  other.exec("COMMIT");
  using reader = new DatabaseSync(`${folder.path}/x.db`, { readOnly: true });
  assert.equal(faultOf(thrownBy(() => reader.exec("DELETE FROM t"))), "readonly");
  assert.equal(faultOf(thrownBy(() => new DatabaseSync(`${folder.path}/no/x.db`))), "cannot_open");
  Deno.writeTextFileSync(`${folder.path}/text`, "text ".repeat(1_000));
  using text = new DatabaseSync(`${folder.path}/text`);
  assert.equal(faultOf(thrownBy(() => text.exec("SELECT 1 FROM t"))), "corrupt");
  assert.equal(faultOf(thrownBy(() => db.exec("SELECT nothing"))), "other");
});

Deno.test("what a fault leads to depends on when it comes", () => {
  const sqlite = (message: string) => Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR" });
  const full = sqlite("database or disk is full");
  const io = sqlite("disk I/O error");
  const damaged = sqlite("database disk image is malformed");
  for (const error of [full, io, damaged, sqlite("attempt to write a readonly database"), sqlite("whatever")]) {
    assert(openingError("x.db", error) instanceof ConfigError);
  }
  for (const error of [full, io, sqlite("database is locked")]) {
    const running = runningError("x.db", error);
    assert(running instanceof TransientError);
    assert.equal(running.message, `Cannot write to x.db: ${error.message}`);
    assert.equal(running.cause, error);
  }
  assert(runningError("x.db", sqlite("attempt to write a readonly database")) instanceof ConfigError);
  const broken = runningError("x.db", damaged);
  assert(broken instanceof Error && !(broken instanceof ConfigError) && !(broken instanceof TransientError));
  assert.match(broken.message, /sqlite3 x\.db \.recover$/);
  const short = Object.assign(sqlite("disk I/O error"), { errcode: 522 });
  for (const error of [short, sqlite("UNIQUE constraint failed: t.id"), sqlite("no such table: events")]) {
    assert(runningError("x.db", error) instanceof FatalError, error.message);
  }
  const bug = new TypeError("Not a function");
  assert.equal(openingError("x.db", bug), bug);
  assert.equal(runningError("x.db", bug), bug);
  const named = new ConfigError("Known already");
  assert.equal(openingError("x.db", named), named);
});
