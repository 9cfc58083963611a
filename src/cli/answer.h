// Streaming an answer to the terminal.
#pragma once

#include <string>

#include "base/log.h"
#include "decode/chat.h"

namespace tashika::cli {

// Writes the answer to stdout as it comes; progress over a long prompt to stderr while it is read.
// Throws Error(cancelled) when interrupted.
void stream_answer(Conversation& conversation, Log& log);

// "prompt 512 tokens (498 kept) at 80.1 tokens/s, answer 128 tokens at 12.3 tokens/s"
std::string stats_line(const AnswerStats& stats);

// What to tell after an answer that ended for lack of room; empty otherwise.
std::string overflow_note(const Conversation& conversation);

}  // namespace tashika::cli
