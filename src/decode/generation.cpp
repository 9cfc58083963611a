#include "decode/generation.h"

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/options.h"
#include "base/thread_pool.h"
#include "text/stream.h"
#include "text/tokenizer.h"

namespace tashika {
namespace {

std::uint64_t fresh_seed() {
  std::random_device device;
  return device() & 0x7FFFFFFF;  // small enough to be typed again
}

}  // namespace

std::string_view finish_name(Finish finish) {
  switch (finish) {
    case Finish::none: return "none";
    case Finish::end: return "end";
    case Finish::stop: return "stop";
    case Finish::length: return "length";
    case Finish::context: return "context";
    case Finish::failed: return "failed";
  }
  return "none";
}

void describe(Options& o, GenerationOptions& g) {
  constexpr double big = 1e15;
  o.group("Generation");
  o.value("-n, --n-predict, --max-tokens", "N", g.n_predict, "tokens to generate at most; -1: until the text ends").range(-1, big);
  o.value("-c, --ctx-size", "N", g.context, "positions of context; 0: what the model was made for").range(0, big);
  o.choice("--on-overflow", "POLICY", g.overflow, {{"error", OverflowPolicy::error}, {"shift", OverflowPolicy::shift}},
           "when the context is full: stop with an error, or drop the oldest tokens and go on");
  o.value("--keep", "N", g.n_keep, "tokens at the start that a shift keeps; -1: the whole prompt").range(-1, big);
  o.toggle("--ignore-eos", g.ignore_eos, "go on after the token that ends a text");
  o.value("-r, --reverse-prompt, --stop", "TEXT", g.stop, "end the answer before this text; may be given several times");
  describe(o, g.sampling);
}

Sequence::Sequence(const LanguageModel& model, Runtime& rt, const GenerationOptions& options, std::vector<std::int32_t> end_tokens,
                   const Tokenizer* tokenizer, std::uint32_t number, const StateOptions& state)
    : model_(model),
      rt_(rt),
      end_tokens_(std::move(end_tokens)),
      tokenizer_(tokenizer),
      state_options_(state),
      number_(number),
      sampler_(options.sampling, 0, number, nullptr),
      stops_(options.stop),
      state_(model.new_state(rt, state)) {
  configure(options);
}

void Sequence::configure(const GenerationOptions& options) {
  check(options.sampling);
  if (tokenizer_ == nullptr && !options.stop.empty()) fail_with(ErrorKind::usage, "stop strings need the model's tokenizer");
  options_ = options;
  context_ = options.context > 0 ? options.context : model_.info().context;
  seed_ = options.sampling.seed >= 0 ? static_cast<std::uint64_t>(options.sampling.seed) : fresh_seed();
  sampler_ = Sampler(options.sampling, seed_, number_, tokenizer_);
}

Sequence::~Sequence() = default;
Sequence::Sequence(Sequence&&) noexcept = default;

std::int64_t Sequence::prompt(std::span<const std::int32_t> tokens) {
  if (tokens.empty()) fail("the prompt has no tokens; give some text, or a model whose tokenizer adds BOS");
  for (const std::int32_t id : tokens) {
    if (id < 0 || id >= model_.info().vocab) fail("token id ", id, " is out of range: this model has ids 0 to ", model_.info().vocab - 1);
  }
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (context_ > 0 && count > context_ && options_.overflow == OverflowPolicy::error) {
    fail_with(ErrorKind::limit, cat("the prompt has ", count, " tokens, more than the context of ", context_,
                                    "; use a shorter prompt, a larger -c, or --on-overflow shift"));
  }
  // One token at least is computed again: its logits are wanted.
  std::int64_t kept = 0;
  const std::int64_t most = std::min<std::int64_t>(state_->length(), count - 1);
  while (kept < most && tokens_[static_cast<std::size_t>(kept)] == tokens[static_cast<std::size_t>(kept)]) ++kept;
  const std::int64_t drop = state_->length() - kept;
  if (drop > 0 && !state_->can_roll_back(drop)) {
    state_ = model_.new_state(rt_, state_options_);
    kept = 0;
  } else if (drop > 0) {
    state_->rollback(drop);
  }
  tokens_.assign(tokens.begin(), tokens.end());
  prompt_length_ = count;
  answered_ = 0;
  dropped_ = 0;
  finished_ = Finish::none;
  failure_.clear();
  events_.clear();
  sampler_.rollback(0);
  grammar_ = options_.grammar;
  stops_ = StopMatcher(options_.stop);
  if (tokenizer_ != nullptr) stream_ = std::make_unique<StreamDecoder>(*tokenizer_, options_.shown_special.empty());
  return kept;
}

std::int64_t Sequence::prompt(std::span<const std::int32_t> tokens, std::unique_ptr<SequenceState> state) {
  check(state->length() <= static_cast<std::int64_t>(tokens.size()), "a prompt shorter than what its state holds");
  state_ = std::move(state);
  tokens_.assign(tokens.begin(), tokens.begin() + state_->length());
  return prompt(tokens);
}

std::unique_ptr<SequenceState> Sequence::release_state() {
  std::unique_ptr<SequenceState> out = std::move(state_);
  state_ = model_.new_state(rt_, state_options_);
  return out;
}

// Called when the next forward would pass the context: drops the older half of what may be dropped.
void Sequence::make_room() {
  const auto count = static_cast<std::int64_t>(tokens_.size());
  const std::int64_t keep = std::min(options_.n_keep < 0 ? prompt_length_ : options_.n_keep, context_ - 2);
  const std::int64_t movable = count - std::max<std::int64_t>(keep, 0);
  // At least what is too much, and half of the window so that this does not happen at every token.
  const std::int64_t drop = std::max(count - context_ + 1, std::min(movable - 1, (context_ - std::max<std::int64_t>(keep, 0)) / 2));
  if (context_ < 4 || drop <= 0 || drop >= movable) fail_with(ErrorKind::limit, cat("a context of ", context_, " is too small to shift"));
  const auto first = tokens_.begin() + std::max<std::int64_t>(keep, 0);
  tokens_.erase(first, first + drop);
  prompt_length_ = std::max<std::int64_t>(prompt_length_ - drop, 0);
  dropped_ += drop;
  state_ = model_.new_state(rt_, state_options_);
}

void Sequence::make_ready() {
  check(!tokens_.empty(), "a sequence needs a prompt before it steps");
  if (context_ > 0 && static_cast<std::int64_t>(tokens_.size()) > context_) make_room();
}

TokenEvent Sequence::accept(std::span<const float> logits) {
  const std::span<const std::int32_t> history(tokens_);
  if (grammar_) grammar_->mask(mask_);
  Choice choice = sampler_.sample(logits, history, options_.logprobs, grammar_ ? &mask_ : nullptr);
  if (grammar_) grammar_->accept(choice.id);
  TokenEvent event;
  event.id = choice.id;
  event.logprob = choice.logprob;
  event.top = std::move(choice.top);
  tokens_.push_back(choice.id);
  ++answered_;
  const bool ends = (!options_.ignore_eos && std::ranges::binary_search(end_tokens_, choice.id)) || (grammar_ && grammar_->ended());
  // An embedding may have rows that the tokenizer lacks.
  const bool hidden = !options_.shown_special.empty() && !std::ranges::binary_search(options_.shown_special, choice.id) &&
                      choice.id < tokenizer_->id_limit() && tokenizer_->kind(choice.id).special;
  const bool has_text = stream_ && !ends && !hidden && choice.id < tokenizer_->id_limit();
  if (has_text) event.text = stops_.push(stream_->push(choice.id));
  if (ends || (grammar_ && grammar_->must_end())) {
    event.finish = Finish::end;
  } else if (stops_.hit()) {
    event.finish = Finish::stop;
    event.stop = stops_.matched();
  } else if (options_.n_predict >= 0 && answered_ >= options_.n_predict) {
    event.finish = Finish::length;
  } else if (context_ > 0 && static_cast<std::int64_t>(tokens_.size()) > context_ && options_.overflow == OverflowPolicy::error) {
    event.finish = Finish::context;
  }
  if (event.finish != Finish::none && stream_) {
    event.text += stops_.push(stream_->finish());
    event.text += stops_.finish();
  }
  finished_ = event.finish;
  return event;
}

Generator::Generator(LanguageModel& model, Runtime& rt, std::int64_t chunk) : model_(model), rt_(rt), chunk_(std::max<std::int64_t>(chunk, 1)) {}

bool Generator::step(std::span<Sequence* const> sequences) {
  std::vector<Turn> turns;
  std::int64_t room = chunk_;
  for (Sequence* s : sequences) {
    if (s->finished_ != Finish::none) continue;
    if (s->options_.n_predict == 0) {
      s->finished_ = Finish::length;
      continue;
    }
    s->make_ready();
    // Every sequence gets at least one token a step, so that none starves behind a long prompt.
    const std::int64_t count = std::min(s->pending(), std::max<std::int64_t>(room, 1));
    room -= count;
    turns.push_back({s, count});
  }
  if (turns.empty()) return false;
  step(turns);
  for (const Turn& turn : turns) {
    if (turn.sequence->finished_ == Finish::failed) fail(turn.sequence->failure_);
  }
  return true;
}

void Generator::step(std::span<const Turn> turns) {
  std::vector<Slice> slices;
  std::int64_t wanted = 0, pending = 0;
  for (const Turn& turn : turns) {
    Sequence& s = *turn.sequence;
    check(s.finished_ == Finish::none && turn.tokens > 0, "a turn of a sequence that has ended");
    s.make_ready();
    const std::int64_t left = s.pending(), count = std::min(left, turn.tokens);
    const std::span<const std::int32_t> tokens(s.tokens_);
    slices.push_back({s.state_.get(), tokens.subspan(static_cast<std::size_t>(s.state_->length()), static_cast<std::size_t>(count)),
                      count == left ? 1 : 0, static_cast<std::int64_t>(tokens.size())});
    wanted += slices.back().wanted;
    pending += left - count;
  }
  if (wanted == 0) {
    model_.hidden(rt_, slices);
  } else {
    const Tensor logits = model_.forward(rt_, slices);
    const std::vector<float> values = logits.to_host();
    const auto width = static_cast<std::size_t>(logits.size(-1));
    std::vector<Sequence*> choosing;
    for (std::size_t i = 0; i < turns.size(); ++i) {
      if (slices[i].wanted > 0) choosing.push_back(turns[i].sequence);
    }
    rt_.pool().parallel_for(static_cast<std::int64_t>(choosing.size()), 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
        Sequence& s = *choosing[row];
        try {
          s.events_.push_back(s.accept(std::span(values).subspan(row * width, width)));
        } catch (const std::exception& error) {
          s.finished_ = Finish::failed;
          s.failure_ = error.what();
        }
      }
    });
  }
  if (on_progress) on_progress(progress_context, pending);
}

std::optional<TokenEvent> Generator::take(Sequence& sequence) {
  if (sequence.events_.empty()) return std::nullopt;
  TokenEvent event = std::move(sequence.events_.front());
  sequence.events_.pop_front();
  return event;
}

std::optional<TokenEvent> Generator::next(Sequence& sequence) {
  Sequence* const one[] = {&sequence};
  while (sequence.events_.empty()) {
    if (!step(one)) return std::nullopt;
  }
  return take(sequence);
}

}  // namespace tashika
