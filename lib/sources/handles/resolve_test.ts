import assert from "node:assert/strict";
import { ALICE, type Answer, documentOf, faultsOf, json, world } from "../../../tests/support/identity_world.ts";
import { resolveHandles } from "../handles.ts";

Deno.test("the first at:// name of the document counts", async () => {
  const claims = (...alsoKnownAs: unknown[]) => json({ alsoKnownAs });
  const outcome = async (document: Answer) => {
    const { options } = world({ resolver: { "a.test": ALICE }, documents: { [ALICE]: document } });
    return await resolveHandles(["a.test"], options).then(
      () => "ok",
      (error: Error) => /\((.*)\)$/.exec(error.message)![1],
    );
  };
  assert.equal(await outcome(claims("https://a.example", 7, "at://A.test", "at://b.test")), "ok");
  assert.equal(await outcome(claims("at://b.test", "at://a.test")), `${ALICE} claims b.test`);
  const none = `${ALICE} claims no handle`;
  for (const document of [claims(), claims("a.test"), claims("at://\u001b[31m"), "{}", '{"alsoKnownAs":7}', "{"]) {
    assert.equal(await outcome(document), none, document);
  }
  assert.equal(await outcome(404), `${ALICE} has no document`);
  assert.equal(await outcome(410), `${ALICE} is deactivated`);
  assert.equal(await outcome(403), `the document of ${ALICE} cannot be read: plc.example answers 403`);
});

Deno.test("did:web is asked at its own host, by the guard", async () => {
  const { options, asked, allowed } = world({
    resolver: { "a.com": "did:web:a.com", "b.com": "did:web:b.com%3A8443", "c.com": "did:web:10.0.0.5" },
    hosts: {
      "https://a.com/.well-known/did.json": documentOf("a.com"),
      "https://b.com:8443/.well-known/did.json": documentOf("b.com"),
      "https://10.0.0.5/.well-known/did.json": { refused: "10.0.0.5 is a private address" },
    },
  });
  assert.deepEqual((await resolveHandles(["a.com", "b.com"], options)).dids, ["did:web:a.com", "did:web:b.com%3A8443"]);
  assert.deepEqual([...allowed], [false]);
  assert.equal(
    await faultsOf(["c.com"], options),
    "Cannot resolve handle: c.com (the document of did:web:10.0.0.5 cannot be read: 10.0.0.5 is a private address)",
  );
  assert.equal(asked.filter((each) => each.startsWith("dns")).length, 0);
});

Deno.test("DIDs of other methods, or of a did:web with a path, cannot be checked", async () => {
  for (const did of ["did:key:zQ3sh", "did:web:a.com:user", "did:web:a.com%2Fx", "did:web:u%40a.com"]) {
    const { options, asked } = world({ resolver: { "a.com": did } });
    assert.match(await faultsOf(["a.com"], options), /is of no method that is in use/, did);
    assert.equal(asked.length, 1);
  }
});
