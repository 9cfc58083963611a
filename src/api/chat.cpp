#include "api/impl.h"

namespace tashika {
inline namespace v0 {

struct __attribute__((visibility("hidden"))) Chat::Impl {
  Model::Impl& model;
  Sequence sequence;
  std::vector<Message> messages;
};

Chat::Chat(Model& model, std::string_view system, const GenerateOptions& options) {
  guarded([&] {
    Model::Impl& m = *model.impl_;
    m.need_template();
    impl_ = std::make_unique<Impl>(
        Impl{m, Sequence(*m.model, *m.rt, generation_options(options), m.end, &m.need_tokenizer()), {}});
    if (!system.empty()) impl_->messages.push_back({"system", std::string(system)});
  });
}

Chat::~Chat() = default;
Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;

Answer Chat::say(std::string_view text, const OnText& on_text) {
  return guarded([&] {
    std::vector<Message>& messages = impl_->messages;
    const std::size_t before = messages.size();
    messages.push_back({"user", std::string(text)});
    try {
      // The whole conversation each time; the sequence keeps what it has read of it.
      impl_->sequence.prompt(impl_->model.need_tokenizer().encode_prompt(impl_->model.render(messages)));
      Answer out = answer(impl_->model, impl_->sequence, on_text);
      messages.push_back({"assistant", out.text});
      return out;
    } catch (...) {
      messages.resize(before);
      throw;
    }
  });
}

const std::vector<Message>& Chat::messages() const { return impl_->messages; }

void Chat::clear() {
  const bool system = !impl_->messages.empty() && impl_->messages[0].role == "system";
  impl_->messages.resize(system ? 1 : 0);
}

}  // namespace v0
}  // namespace tashika
