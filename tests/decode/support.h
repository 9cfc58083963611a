// A tiny golden model on the reference backend, and a tokenizer of single characters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "decode/generation.h"
#include "registry/registry.h"
#include "text/tokenizer.h"

namespace tashika::test {

struct Tiny {
  explicit Tiny(const std::string& name = "llama_gqa_f32", ComputeMode mode = ComputeMode::exact) {
    const std::string folder = join_path(TASHIKA_TEST_DATA "/golden/folders", name);
    rt = make_runtime({.backend = "ref", .threads = 1, .compute = mode});
    checkpoint = open_checkpoint(folder);
    model = load_language_model(checkpoint, *rt);
    golden = parse_json(read_file(join_path(folder, "case.json"), 1 << 20), "case.json");
  }
  std::vector<std::int32_t> ids(const Json& list) const {
    std::vector<std::int32_t> out;
    for (const Json& id : list.as_array()) out.push_back(static_cast<std::int32_t>(id.as_integer()));
    return out;
  }
  std::vector<std::int32_t> prompt() const { return ids(golden["greedy"]["prompt"]); }
  std::vector<std::int32_t> expected() const { return ids(golden["greedy"]["ids"]); }

  std::unique_ptr<Runtime> rt;
  Checkpoint checkpoint;
  std::unique_ptr<LanguageModel> model;
  Json golden;
};

// tokenizer.json of one token a printable ASCII character: id = 3 + (character - 32); <unk>, <s>, </s> are 0, 1, 2. Puts
// <s> first.
inline Json character_tokenizer() {
  Json vocab;
  vocab.set("<unk>", 0);
  vocab.set("<s>", 1);
  vocab.set("</s>", 2);
  for (int c = 32; c < 127; ++c) vocab.set(std::string(1, static_cast<char>(c)), c - 29);
  Json json = parse_json(R"({"version":"1.0","truncation":null,"padding":null,
    "added_tokens":[{"id":0,"content":"<unk>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false},
      {"id":1,"content":"<s>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false},
      {"id":2,"content":"</s>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],
    "normalizer":null,"pre_tokenizer":null,
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
      "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
      "special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},
    "decoder":{"type":"Fuse"},
    "model":{"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,"end_of_word_suffix":null,
      "fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{},"merges":[]}})", "tokenizer");
  json.as_object()["model"].set("vocab", std::move(vocab));
  return json;
}

}  // namespace tashika::test
