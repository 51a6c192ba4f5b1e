import assert from "node:assert/strict";
import { ConfigError } from "../../pipeline/errors.ts";
import { CLASSIC_EMBEDDINGS, dimsByField, modelsOf } from "./models.ts";

const L12 = { key: "all-MiniLM-L12-v2", dims: 384, field: "all_MiniLM_L12_v2", holders: ["text_embeddings"] };

Deno.test("M30: models by their names, all of them, none", () => {
  assert.deepEqual(modelsOf(["all-MiniLM-L12-v2"]), [L12]);
  assert.deepEqual(modelsOf(["all-MiniLM-L12-v2:384", "all-MiniLM-L12-v2"]), [L12], "the same one");
  assert.deepEqual(dimsByField(modelsOf(CLASSIC_EMBEDDINGS)), { all_MiniLM_L12_v2: 384, all_MiniLM_L6_v2: 384 });
  const all = { ...dimsByField(modelsOf(CLASSIC_EMBEDDINGS)), all_mpnet_base_v2: 768, embeddinggemma_300m: 768 };
  assert.deepEqual(dimsByField(modelsOf(["all"])), all);
  assert.deepEqual(dimsByField(modelsOf(["all", "my/new.model:32"])), { ...all, new_model: 32 });
  assert.deepEqual(modelsOf(["none"]), []);
  assert.deepEqual(modelsOf([]), []);
});

Deno.test("a model that is not known is looked for in both places, under a name that a field can have", () => {
  const holders = ["text_embeddings", "full_text_embeddings"];
  assert.deepEqual(modelsOf(["org/sub/my-model.v1:1024", "a:b:4096"]), [
    { key: "org/sub/my-model.v1", dims: 1024, field: "my_model_v1", holders },
    { key: "a:b", dims: 4096, field: "a_b", holders },
  ]);
});

Deno.test("names that cannot be", () => {
  const refused = (names: readonly string[], message: string) =>
    assert.throws(() => modelsOf(names), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.message, `Cannot use --embeddings${message}`);
      return true;
    });
  const choices = "it must be all, none, one of all-MiniLM-L12-v2, all-MiniLM-L6-v2, all-mpnet-base-v2, " +
    "google/embeddinggemma-300m, or KEY:DIMS of another model";
  for (const name of ["L12", "all-minilm-l12-v2", ":384", "x:", "x:384d", "x:-1", "x:1.5"]) {
    refused([name], ` "${name}": ${choices}`);
  }
  for (const name of ["x:0", "x:4097"]) refused([name], ` "${name}": the dims must be from 1 to 4096`);
  refused(["all-MiniLM-L6-v2:768"], ' "all-MiniLM-L6-v2:768": its vectors have 384 dims');
  refused(["x/:5"], ' "x/:5": nothing is left for the name of its field');
  refused(["none", "all"], ': "none" stands alone');
  refused(["a/m:5", "b/m:5"], ": a/m:5 and b/m:5 would both be field embeddings.m");
  refused(["m:5", "m:6"], ": m:5 and m:6 would both be field embeddings.m");
});
