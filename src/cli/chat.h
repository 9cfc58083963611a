// The interactive chat: lines typed, answers streamed, slash commands.
#pragma once

#include <string>

#include "base/log.h"
#include "cli/common.h"
#include "decode/chat.h"

namespace tashika::cli {

struct ChatSettings {
  GenerationOptions generation;
  std::string system;
  bool stats = false;
};
// What /set knows; the run verb has the same.
void describe(Options& options, ChatSettings& settings);

// Until Ctrl-D or /exit. `sampling_source`: where the sampling's defaults are from, for /show.
void chat(Engine& engine, const Tokenizer& tokenizer, Conversation& conversation, ChatSettings& settings, const std::string& sampling_source, Log& log);

}  // namespace tashika::cli
