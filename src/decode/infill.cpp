#include "decode/infill.h"

#include <algorithm>

#include "base/error.h"

namespace tashika {
namespace {

struct Spelling {
  std::string_view prefix, suffix, middle;
  Infill::Form form;
};

constexpr Spelling spellings[] = {
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>", Infill::Form::plain},
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>", Infill::Form::plain},
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", Infill::Form::plain},
    {"▁<PRE>", "▁<SUF>", "▁<MID>", Infill::Form::pieces},
    {"<PRE>", "<SUF>", "<MID>", Infill::Form::pieces},
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", Infill::Form::hole},
};

// What such models write behind a middle: the end of it, or the beginning of another file.
constexpr std::string_view ends[] = {"<|endoftext|>", "▁<EOT>", "<EOT>", "<|fim_pad|>", "<fim_pad>", "<fim-pad>", "<|file_sep|>",
                                     "<file_sep>", "<|repo_name|>", "<repo_name>", "<reponame>", "<|cursor|>"};

// The first of these keys that a GGUF file has, if its value is a token.
std::optional<TokenId> named(const Json& metadata, const Tokenizer& tokenizer, std::initializer_list<const char*> keys) {
  if (!metadata.is_object()) return std::nullopt;
  for (const char* key : keys) {
    const Json* value = metadata.find(key);
    if (value == nullptr || !value->is_number()) continue;
    const double id = value->as_double();
    if (id >= 0 && id < static_cast<double>(tokenizer.id_limit()) && tokenizer.has(static_cast<TokenId>(id))) return static_cast<TokenId>(id);
  }
  return std::nullopt;
}

void append(std::vector<TokenId>& out, const std::vector<TokenId>& more) { out.insert(out.end(), more.begin(), more.end()); }

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text) {
  return text.empty() ? std::vector<TokenId>{} : tokenizer.encode(text, {.add_special = false, .special_as_text = true});
}

// As in the middle of a text: behind a letter that no text begins with, so that no space is put before it.
std::vector<TokenId> encode_inside(const Tokenizer& tokenizer, std::string_view text) {
  const std::string mark = "☺";
  const std::vector<TokenId> all = encode(tokenizer, mark + std::string(text)), alone = encode(tokenizer, mark);
  if (all.size() >= alone.size() && std::equal(alone.begin(), alone.end(), all.begin())) {
    return {all.begin() + static_cast<std::ptrdiff_t>(alone.size()), all.end()};
  }
  return encode(tokenizer, text);
}

}  // namespace

std::optional<Infill> infill_tokens(const Tokenizer& tokenizer, const Json& metadata) {
  std::optional<Infill> found;
  const auto by_name = [&](const Spelling& s) -> std::optional<Infill> {
    const auto prefix = tokenizer.id(s.prefix), suffix = tokenizer.id(s.suffix), middle = tokenizer.id(s.middle);
    if (!prefix || !suffix || !middle) return std::nullopt;
    return Infill{*prefix, *suffix, *middle, s.form, {}};
  };
  const auto prefix = named(metadata, tokenizer, {"tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"});
  const auto suffix = named(metadata, tokenizer, {"tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"});
  const auto middle = named(metadata, tokenizer, {"tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"});
  if (prefix && suffix && middle) {
    found = Infill{*prefix, *suffix, *middle, Infill::Form::plain, {}};
    for (const Spelling& s : spellings) {
      if (tokenizer.token(*prefix) == s.prefix) found->form = s.form;
    }
  }
  for (const Spelling& s : spellings) {
    if (!found) found = by_name(s);
  }
  if (!found) return std::nullopt;
  for (const std::string_view end : ends) {
    const auto id = tokenizer.id(end);
    if (id && tokenizer.kind(*id).added) found->ends.push_back(*id);
  }
  if (const auto id = named(metadata, tokenizer, {"tokenizer.ggml.eot_token_id"})) found->ends.push_back(*id);
  std::ranges::sort(found->ends);
  found->ends.erase(std::ranges::unique(found->ends).begin(), found->ends.end());
  return found;
}

Infill need_infill(const Tokenizer& tokenizer, const Json& metadata) {
  if (std::optional<Infill> found = infill_tokens(tokenizer, metadata)) return *found;
  fail(
      "this model cannot fill in the middle: its tokenizer has no such tokens (<fim_prefix>, <fim-prefix>, <|fim_prefix|>, ▁<PRE> or "
      "<｜fim▁begin｜> and their kin). Use a code model that was trained for "
      "it, or give the prefix alone as a prompt with --raw");
}

std::vector<TokenId> infill_prompt(const Tokenizer& tokenizer, const Infill& infill, std::string_view prefix, std::string_view suffix,
                                   InfillOrder order) {
  if (order == InfillOrder::spm && infill.form == Infill::Form::hole) {
    fail("this model knows the order prefix, suffix, middle only: leave out --fim-order spm");
  }
  const std::vector<TokenId> before = encode(tokenizer, prefix);
  const std::vector<TokenId> behind = infill.form == Infill::Form::pieces ? encode_inside(tokenizer, suffix) : encode(tokenizer, suffix);
  std::vector<TokenId> out;
  if (tokenizer.adds_bos() && tokenizer.bos()) out.push_back(*tokenizer.bos());
  out.push_back(infill.prefix);
  if (order == InfillOrder::psm) append(out, before);
  out.push_back(infill.suffix);
  append(out, behind);
  out.push_back(infill.middle);
  if (order == InfillOrder::spm) append(out, before);
  return out;
}

}  // namespace tashika
