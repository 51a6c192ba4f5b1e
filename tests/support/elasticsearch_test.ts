import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { elasticsearchClient, sharedElasticsearch, startElasticsearch } from "./elasticsearch.ts";
import { serviceTest } from "./services.ts";

const shared = sharedElasticsearch();

serviceTest("a server of the wanted kind answers", ["elasticsearch"], async () => {
  const root = await shared.es.json("GET", "/");
  match(root.version.number, /^8\./);
  equal(root.tagline, "You Know, for Search");
});

serviceTest("counts and documents are those of now", ["elasticsearch"], async () => {
  const { es } = shared;
  const index = `${shared.prefix()}likes`;
  equal(await es.count(index), 0);
  await es.json("POST", "/_bulk", `{"index":{"_index":"${index}","_id":"a"}}\n{"n":1}\n`);
  equal(await es.count(index), 1);
  deepEqual([...await es.documents(index)], [["a", { n: 1 }]]);
});

serviceTest("what the server refuses is an error with its words", ["elasticsearch"], async () => {
  await rejects(shared.es.json("GET", "/no-such-index/_count"), /404 .*index_not_found_exception/);
});

serviceTest("a server of one's own is frozen, killed and started again on its data", ["elasticsearch"], async () => {
  await using es = await startElasticsearch({ settings: { "http.max_content_length": "64kb" } });
  await es.json("PUT", "/x/_doc/1", { n: 1 });
  await es.freeze();
  await rejects(fetch(es.url, { signal: AbortSignal.timeout(300) }), /TimeoutError|timed out/);
  es.thaw();
  equal(await es.count("x"), 1);
  await es.kill();
  await rejects(elasticsearchClient(es.url).json("GET", "/"));
  await es.restart();
  equal(await es.count("x"), 1);
  equal((await es.request("POST", "/_bulk", `${" ".repeat(70_000)}\n`)).status, 413);
});
