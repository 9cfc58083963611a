#include <algorithm>
#include <cmath>

#include "api/impl.h"
#include "checkpoint/generation_defaults.h"
#include "checkpoint/template_files.h"
#include "checkpoint/tokenizer_files.h"
#include "decode/evaluate.h"
#include "decode/infill.h"
#include "registry/registry.h"
#include "version.h"

namespace tashika {
inline namespace v0 {

Failure::~Failure() = default;

const char* version() { return TASHIKA_VERSION; }

}  // namespace v0

const Tokenizer& Model::Impl::need_tokenizer() const {
  if (tokenizer == nullptr) fail(checkpoint.path, ": there is no tokenizer in or beside this model; use token ids");
  return *tokenizer;
}

const ChatTemplate& Model::Impl::need_template() const {
  if (template_ == nullptr) {
    const std::vector<TemplateSource> templates = chat_templates(checkpoint);
    const TemplateSource& chosen = choose_template(templates, false, checkpoint.path);
    template_ = std::make_unique<ChatTemplate>(chosen.source, chosen.origin);
    const JsonObject names = special_tokens(checkpoint);
    if (const Json* bos = names.find("bos_token")) bos_ = bos->as_string();
    if (const Json* eos = names.find("eos_token")) eos_ = eos->as_string();
  }
  return *template_;
}

std::string Model::Impl::render(std::span<const Message> messages) const {
  const ChatTemplate& chosen = need_template();
  ChatInput input;
  JsonArray list;
  for (const Message& message : messages) {
    JsonObject object;
    object["role"] = message.role;
    object["content"] = message.content;
    list.emplace_back(std::move(object));
  }
  input.messages = std::move(list);
  input.bos_token = bos_;
  input.eos_token = eos_;
  return chosen.render(input);
}

GenerationOptions generation_options(const GenerateOptions& options) {
  GenerationOptions out;
  out.n_predict = options.max_tokens;
  out.context = options.context;
  out.stop = options.stop;
  out.sampling.temperature = options.temperature;
  out.sampling.top_k = options.top_k;
  out.sampling.top_p = options.top_p;
  out.sampling.min_p = options.min_p;
  out.sampling.repeat_penalty = options.repeat_penalty;
  out.sampling.seed = options.seed;
  check(out.sampling);
  return out;
}

Answer answer(Model::Impl& impl, Sequence& sequence, const OnText& on_text) {
  impl.rt->clear_cancel();
  Answer out;
  out.prompt_tokens = static_cast<std::int64_t>(sequence.tokens().size());
  Generator generator(*impl.model, *impl.rt);
  while (const std::optional<TokenEvent> event = generator.next(sequence)) {
    out.ids.push_back(event->id);
    out.text += event->text;
    if (event->finish != Finish::none) out.finish = finish_name(event->finish);
    if (on_text && !event->text.empty() && !on_text(event->text)) {
      out.finish = "caller";
      break;
    }
  }
  return out;
}

inline namespace v0 {

Model::Model(const std::string& model, const LoadOptions& options) {
  guarded([&] {
    impl_ = std::make_unique<Impl>();
    RuntimeOptions runtime;
    runtime.backend = options.device;
    runtime.threads = options.threads;
    runtime.compute = options.exact ? ComputeMode::exact : ComputeMode::fast;
    impl_->rt = make_runtime(runtime);
    impl_->checkpoint = open_checkpoint(find_checkpoint(model));
    impl_->model = load_language_model(impl_->checkpoint, *impl_->rt);
    impl_->end = end_tokens(impl_->checkpoint);
    if (!tokenizer_kind(impl_->checkpoint).empty()) {
      impl_->tokenizer = std::make_unique<Tokenizer>(load_tokenizer(impl_->checkpoint));
    }
  });
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

ModelInfo Model::info() const {
  return guarded([&] {
    const LanguageModelInfo& i = impl_->model->info();
    return ModelInfo{std::string(model_of(impl_->checkpoint).name), i.vocab, i.hidden, i.layers, i.context};
  });
}

std::vector<std::int32_t> Model::tokenize(std::string_view text, bool special) const {
  return guarded([&] { return impl_->need_tokenizer().encode(text, {.add_special = special}); });
}

std::string Model::detokenize(std::span<const std::int32_t> ids, bool skip_special) const {
  return guarded([&] { return impl_->need_tokenizer().decode(ids, skip_special); });
}

Answer Model::generate(std::string_view prompt, const GenerateOptions& options, const OnText& on_text) {
  return guarded([&] {
    const Tokenizer& tokenizer = impl_->need_tokenizer();
    Sequence sequence(*impl_->model, *impl_->rt, generation_options(options), impl_->end, &tokenizer);
    sequence.prompt(tokenizer.encode(prompt));
    return answer(*impl_, sequence, on_text);
  });
}

Answer Model::generate(std::span<const std::int32_t> ids, const GenerateOptions& options) {
  return guarded([&] {
    Sequence sequence(*impl_->model, *impl_->rt, generation_options(options), impl_->end, nullptr);
    sequence.prompt(ids);
    return answer(*impl_, sequence, {});
  });
}

Answer Model::infill(std::string_view prefix, std::string_view suffix, const GenerateOptions& options, const OnText& on_text, bool suffix_first) {
  return guarded([&] {
    const Tokenizer& tokenizer = impl_->need_tokenizer();
    const Infill marks = need_infill(tokenizer, impl_->checkpoint.meta.values);
    std::vector<std::int32_t> end = impl_->end;
    end.insert(end.end(), marks.ends.begin(), marks.ends.end());
    std::ranges::sort(end);
    Sequence sequence(*impl_->model, *impl_->rt, generation_options(options), end, &tokenizer);
    sequence.prompt(infill_prompt(tokenizer, marks, prefix, suffix, suffix_first ? InfillOrder::spm : InfillOrder::psm));
    return answer(*impl_, sequence, on_text);
  });
}

std::string Model::render(std::span<const Message> messages) const {
  return guarded([&] { return impl_->render(messages); });
}

namespace {

using Evaluate = void (*)(LanguageModel&, Runtime&, std::span<const std::vector<std::int32_t>>, EvaluateOptions, const RowsSink&);

std::vector<float> rows_of(Model::Impl& impl, Evaluate evaluate, std::span<const std::int32_t> ids) {
  impl.rt->clear_cancel();
  const std::vector<std::int32_t> sequence(ids.begin(), ids.end());
  std::vector<float> out;
  evaluate(*impl.model, *impl.rt, {&sequence, 1}, {},
           [&out](std::size_t, std::int64_t, std::span<const float> rows, std::int64_t) { out.insert(out.end(), rows.begin(), rows.end()); });
  return out;
}

}  // namespace

std::vector<float> Model::logits(std::span<const std::int32_t> ids) {
  return guarded([&] { return rows_of(*impl_, evaluate_logits, ids); });
}

std::vector<float> Model::hidden(std::span<const std::int32_t> ids) {
  return guarded([&] { return rows_of(*impl_, evaluate_hidden, ids); });
}

std::vector<float> Model::embed(std::string_view text) {
  return guarded([&] {
    const std::vector<std::int32_t> ids = impl_->need_tokenizer().encode(text);
    if (ids.empty()) fail("an empty text has no embedding");
    const std::vector<float> rows = rows_of(*impl_, evaluate_hidden, ids);
    const std::size_t width = rows.size() / ids.size();
    std::vector<double> sum(width);
    for (std::size_t i = 0; i < rows.size(); ++i) sum[i % width] += rows[i];
    double square = 0;
    for (const double x : sum) square += x * x;
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    std::vector<float> out(width);
    for (std::size_t i = 0; i < width; ++i) out[i] = static_cast<float>(sum[i] * scale);
    return out;
  });
}

void Model::cancel() { impl_->rt->cancel(); }

}  // namespace v0
}  // namespace tashika
