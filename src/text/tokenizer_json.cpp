// tokenizer.json, as the `tokenizers` library reads it.
#include <algorithm>

#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace tashika {
namespace {

TokenId token_id(const Json& value, const std::string& where) {
  if (!value.is_integer()) fail(where, ": expected a token id, found ", json_type_name(value.type()));
  const std::int64_t id = value.as_integer();
  if (id < 0 || id >= max_token_id) fail(where, ": ", id, " is no token id");
  return static_cast<TokenId>(id);
}

Vocabulary vocabulary_of(const Fields& f) {
  Vocabulary v;
  for (const auto& [token, id] : f.object("vocab").entries()) v.add(token, token_id(id, cat(f.place("vocab"), "['", token, "']")));
  return v;
}

std::unique_ptr<const Model> read_bpe(const Fields& f) {
  BpeConfig config;
  config.vocabulary = vocabulary_of(f);
  const JsonArray& merges = f.array("merges");
  config.merges.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const Json& m = merges[i];
    if (m.is_string()) {
      const std::string& line = m.as_string();
      if (line.starts_with("#version")) continue;
      const std::size_t space = line.find(' ');
      if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
        fail(f.place("merges"), "[", i, "]: expected two tokens with one space between them, found '", line, "'");
      }
      config.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    } else if (m.is_array() && m.as_array().size() == 2 && m.as_array()[0].is_string() && m.as_array()[1].is_string()) {
      config.merges.emplace_back(m.as_array()[0].as_string(), m.as_array()[1].as_string());
    } else {
      fail(f.place("merges"), "[", i, "]: expected a pair of tokens");
    }
  }
  if (f.find("unk_token")) config.unk_token = f.string("unk_token");
  config.continuing_subword_prefix = f.string_or("continuing_subword_prefix", "");
  config.end_of_word_suffix = f.string_or("end_of_word_suffix", "");
  config.fuse_unk = f.boolean_or("fuse_unk", false);
  config.byte_fallback = f.boolean_or("byte_fallback", false);
  config.ignore_merges = f.boolean_or("ignore_merges", false);
  return make_bpe(std::move(config), f.where());
}

std::unique_ptr<const Model> read_unigram(const Fields& f) {
  UnigramConfig config;
  const JsonArray& vocab = f.array("vocab");
  config.pieces.reserve(vocab.size());
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    if (!vocab[i].is_array() || vocab[i].as_array().size() != 2 || !vocab[i].as_array()[0].is_string() || !vocab[i].as_array()[1].is_number()) {
      fail(f.place("vocab"), "[", i, "]: expected [token, score]");
    }
    config.pieces.emplace_back(vocab[i].as_array()[0].as_string(), vocab[i].as_array()[1].as_double());
  }
  if (const Json* unk = f.find("unk_id")) config.unk_id = token_id(*unk, f.place("unk_id"));
  config.byte_fallback = f.boolean_or("byte_fallback", false);
  return make_unigram(std::move(config), f.where());
}

std::unique_ptr<const Model> read_wordpiece(const Fields& f) {
  WordPieceConfig config;
  config.vocabulary = vocabulary_of(f);
  config.unk_token = f.string_or("unk_token", config.unk_token);
  config.continuing_subword_prefix = f.string_or("continuing_subword_prefix", config.continuing_subword_prefix);
  config.max_input_chars_per_word = static_cast<std::size_t>(f.integer_or("max_input_chars_per_word", 100, 0, 0x7FFFFFFF));
  return make_wordpiece(std::move(config));
}

std::unique_ptr<const Model> read_model(const Fields& f) {
  std::string type = f.string_or("type", "");
  if (type.empty()) {  // files from before the field
    type = f.find("merges")                                                                         ? "BPE"
           : f.required("vocab").is_array()                                                         ? "Unigram"
           : f.find("continuing_subword_prefix") || f.find("max_input_chars_per_word") ? "WordPiece"
                                                                                                    : "WordLevel";
  }
  if (type == "BPE") return read_bpe(f);
  if (type == "Unigram") return read_unigram(f);
  if (type == "WordPiece") return read_wordpiece(f);
  if (type == "WordLevel") return make_wordlevel(vocabulary_of(f), f.string_or("unk_token", "<unk>"));
  fail(f.where(), ": unknown model type '", type, "'");
}

void read_added(const Fields& file, TokenizerParts& parts) {
  if (file.find("added_tokens")) {
    const JsonArray& list = file.array("added_tokens");
    // The library numbers added tokens itself: the model's id where the model has the token, else
    // ids after the vocabulary's; the ids written in the file are what that gives unless it is broken.
    auto next = static_cast<std::int64_t>(parts.model->vocabulary().size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Fields f(list[i], cat(file.place("added_tokens"), "[", i, "]"));
      AddedToken t;
      t.content = f.string("content");
      if (t.content.empty()) continue;
      t.single_word = f.boolean_or("single_word", false);
      t.lstrip = f.boolean_or("lstrip", false);
      t.rstrip = f.boolean_or("rstrip", false);
      t.special = f.boolean_or("special", false);
      t.normalized = f.boolean_or("normalized", !t.special);
      token_id(f.required("id"), f.place("id"));
      if (const AddedToken* known = parts.added.find(t.content)) {
        t.id = known->id;
      } else if (const auto id = parts.model->vocabulary().id(t.content)) {
        t.id = *id;
      } else {
        if (next >= max_token_id) fail(f.where(), ": too many tokens");
        t.id = static_cast<TokenId>(next++);
      }
      parts.added.add(std::move(t));
    }
  }
  parts.added.finish(parts.normalizer.get());
}

// "bos_token": "<s>" or {"content": "<s>", …}
std::optional<TokenId> named_token(const Json* config, std::string_view key, const TokenizerParts& parts) {
  const Json* value = config ? config->find(key) : nullptr;
  if (value && value->is_object()) value = value->find("content");
  if (!value || !value->is_string()) return std::nullopt;
  if (const AddedToken* added = parts.added.find(value->as_string())) return added->id;
  return parts.model->vocabulary().id(value->as_string());
}

}  // namespace

Tokenizer tokenizer_from_json(const Json& json, const Json* config, std::string_view what) {
  const Fields file(json, std::string(what));
  if (file.find("version") && file.string("version") != "1.0") fail(file.place("version"), ": unknown tokenizer version '", file.string("version"), "'");
  auto parts = std::make_unique<TokenizerParts>();
  parts->model = read_model(file.fields("model"));
  if (file.find("normalizer")) parts->normalizer = make_normalizer(file.fields("normalizer"));
  if (file.find("pre_tokenizer")) parts->pre_tokenizer = make_pre_tokenizer(file.fields("pre_tokenizer"));
  if (file.find("post_processor")) parts->post_processor = make_post_processor(file.fields("post_processor"));
  if (file.find("decoder")) {
    const Fields decoder = file.fields("decoder");
    parts->decoder = make_decoder(&decoder);
  } else {
    parts->decoder = make_decoder(nullptr);
  }
  read_added(file, *parts);
  parts->bos = named_token(config, "bos_token", *parts);
  parts->eos = named_token(config, "eos_token", *parts);
  parts->pad = named_token(config, "pad_token", *parts);
  parts->unk = parts->model->unk();
  if (!parts->unk) parts->unk = named_token(config, "unk_token", *parts);
  read_policy(*parts);
  return Tokenizer(std::move(parts));
}

}  // namespace tashika
