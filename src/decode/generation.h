// Generation: a model, what its sequences carry, and samplers give streams of token events.
//
// A Sequence is one text in the making; a Generator runs any number of them together, one forward a
// step, whatever phase each is in. The command line is a batch of one, a server a batch of many.
//
//   Sequence text(model, rt, options, end_tokens, &tokenizer);
//   text.prompt(ids);
//   Generator generator(model, rt);
//   while (std::optional<TokenEvent> event = generator.next(text)) show(event->text);
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "decode/sampling.h"
#include "decode/stop.h"
#include "nn/language_model.h"
#include "nn/state.h"
#include "tensor/runtime.h"
#include "text/grammar/grammar.h"

namespace tashika {

class StreamDecoder;

enum class OverflowPolicy {
  error,  // a prompt that does not fit is an error; an answer that fills the context ends there
  shift,  // the oldest tokens after the first n_keep are dropped and the rest is computed anew
};

enum class Finish {
  none,
  end,      // a token that ends a text
  stop,     // a stop string
  length,   // as many tokens as wanted
  context,  // no room left (OverflowPolicy::error)
  failed,   // computing it went wrong: Sequence::failure() says how
};

std::string_view finish_name(Finish finish);  // "end", "stop", …

struct GenerationOptions {
  std::int64_t n_predict = -1;  // -1: until the text ends
  std::int64_t context = 0;     // positions; 0: the model's
  OverflowPolicy overflow = OverflowPolicy::error;
  std::int64_t n_keep = 0;      // tokens at the start that a shift keeps
  bool ignore_eos = false;
  std::vector<std::string> stop;
  std::vector<std::int32_t> shown_special;  // special tokens whose text is shown, sorted; the others' never is
  int logprobs = -1;  // -1: none; N: the chosen token's and the N likeliest
  // What an answer must follow, in its first state. The answer ends where it must.
  std::optional<GrammarState> grammar;
  SamplingOptions sampling;
};

void describe(Options& options, GenerationOptions& generation);

struct TokenEvent {
  std::int32_t id = 0;
  std::string text;  // whole characters that are safe to show; may be empty, may cover earlier tokens
  float logprob = 0;
  std::vector<TokenLogprob> top;
  Finish finish = Finish::none;  // set on the last event
  std::string stop;              // the stop string, at Finish::stop
};

class Sequence {
 public:
  // `end_tokens`: ids that end a text, sorted. `tokenizer`: null when only ids are wanted; then there
  // are no texts, and stop strings are an error. `number`: keys the random draws. What is passed by
  // reference must outlive the sequence.
  Sequence(const LanguageModel& model, Runtime& rt, const GenerationOptions& options, std::vector<std::int32_t> end_tokens,
           const Tokenizer* tokenizer, std::uint32_t number = 0, const StateOptions& state = {});
  ~Sequence();
  Sequence(Sequence&&) noexcept;

  // From the next answer on.
  void configure(const GenerationOptions& options);

  // What the next answer follows: all tokens from the start. What the state already holds of them is
  // kept (rolled back to the common prefix), the rest is computed by the next steps. Error(limit)
  // when they do not fit the context. Returns the number of tokens kept.
  std::int64_t prompt(std::span<const std::int32_t> tokens);
  // The same with a state that holds the first state->length() of `tokens`, a fork of another sequence's say.
  std::int64_t prompt(std::span<const std::int32_t> tokens, std::unique_ptr<SequenceState> state);

  // Gives up the state: what it held is computed again by later steps, to the same bits.
  std::unique_ptr<SequenceState> release_state();

  const std::vector<std::int32_t>& tokens() const { return tokens_; }  // prompt and answer
  std::int64_t answer_length() const { return static_cast<std::int64_t>(tokens_.size()) - prompt_length_; }
  std::int64_t pending() const { return static_cast<std::int64_t>(tokens_.size()) - state_->length(); }
  Finish finished() const { return finished_; }
  const std::string& failure() const { return failure_; }
  // Where the answer is in its grammar; null without one.
  const GrammarState* grammar() const { return grammar_ ? &*grammar_ : nullptr; }
  const std::string& stop_string() const { return stops_.matched(); }
  std::int64_t context() const { return context_; }
  std::int64_t dropped() const { return dropped_; }  // tokens that shifts have dropped since prompt()
  std::uint64_t seed() const { return seed_; }
  const SequenceState& state() const { return *state_; }

 private:
  friend class Generator;
  void make_ready();
  void make_room();
  TokenEvent accept(std::span<const float> logits);

  const LanguageModel& model_;
  Runtime& rt_;
  GenerationOptions options_;
  std::vector<std::int32_t> end_tokens_;
  const Tokenizer* tokenizer_;
  StateOptions state_options_;
  std::int64_t context_;
  std::uint32_t number_;
  std::uint64_t seed_ = 0;
  Sampler sampler_;
  StopMatcher stops_;
  std::optional<GrammarState> grammar_;
  TokenMask mask_;
  std::unique_ptr<StreamDecoder> stream_;
  std::unique_ptr<SequenceState> state_;
  std::vector<std::int32_t> tokens_;
  std::int64_t prompt_length_ = 0;
  std::int64_t answered_ = 0;
  std::int64_t dropped_ = 0;
  Finish finished_ = Finish::none;
  std::string failure_;
  std::deque<TokenEvent> events_;
};

// A sequence's part of one step: at most so many of its pending tokens.
struct Turn {
  Sequence* sequence;
  std::int64_t tokens;
};

class Generator {
 public:
  // `chunk`: most tokens of a prompt that one forward takes, over all sequences.
  Generator(LanguageModel& model, Runtime& rt, std::int64_t chunk = 512);

  // One forward over every sequence that is not finished. False when all are. When the runtime is
  // cancelled Error(cancelled) comes out; the sequences stay valid and can go on.
  bool step(std::span<Sequence* const> sequences);
  // One forward over these turns, each of a sequence that is not finished. What goes wrong in one sequence alone ends it
  // as Finish::failed; an Error of the forward comes out and leaves all as they were.
  void step(std::span<const Turn> turns);
  // Steps until the sequence has an event; empty once it is finished.
  std::optional<TokenEvent> next(Sequence& sequence);
  // The events that steps have left, oldest first.
  static std::optional<TokenEvent> take(Sequence& sequence);

  // Called after each forward with the tokens that sequences still have to read.
  void (*on_progress)(void* context, std::int64_t pending) = nullptr;
  void* progress_context = nullptr;

 private:
  LanguageModel& model_;
  Runtime& rt_;
  std::int64_t chunk_;
};

}  // namespace tashika
