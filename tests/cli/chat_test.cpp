// The interactive chat on a terminal of its own: history, several lines, Ctrl-C in mid-answer, every slash command.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "program.h"

namespace tashika::test {
namespace {

// A prompt that waits, not one that is drawn anew: it comes with the switch to bracketed paste.
const std::string prompt = "\033[?2004h>>> ", more_prompt = "\033[?2004h... ";
const std::string up = "\033[A", ctrl_c = "\x03", ctrl_d = "\x04";

class ChatTerminal : public testing::Test {
 protected:
  void SetUp() override { make_model_folder(folder_.file("model")); }

  std::unique_ptr<TerminalSession> start(std::vector<std::string> more = {"-n", "4", "--temp", "0"}) {
    std::vector<std::string> arguments = {"run", folder_.file("model"), "--ignore-eos", "-t", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto session = std::make_unique<TerminalSession>(arguments, std::vector<std::string>{"TASHIKA_HISTORY=" + folder_.file("history"), "NO_COLOR=1"});
    session->wait_for(prompt);
    return session;
  }
  TemporaryFolder folder_;
};

TEST_F(ChatTerminal, EveryCommand) {
  auto t = start();
  t->type("/help\r");
  std::string help = t->wait_for(prompt);
  for (const char* command : {"/help", "/clear", "/save", "/load", "/set", "/show", "/prompt", "/exit"}) EXPECT_NE(help.find(command), std::string::npos) << command;

  t->type("/prompt\r");
  t->wait_for("no message yet");
  t->wait_for(prompt);
  t->type("Hi\r");
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("<s>[user] Hi\r\n[assistant] ");
  t->wait_for("tokens: [1,");
  t->wait_for(prompt);

  t->type("/set temp 0.25\r");
  t->wait_for(prompt);
  t->type("/set temp\r");
  t->wait_for("temp is 0.25");
  t->wait_for(prompt);
  t->type("/set top_p 7\r");
  t->wait_for("must be from 0 to 1");
  t->wait_for(prompt);
  t->type("/set tmep 1\r");
  t->wait_for("did you mean temp?");
  t->wait_for(prompt);
  t->type("/set system Be kind.\r");
  t->wait_for(prompt);
  t->type("/set stats on\r");
  t->wait_for(prompt);
  t->type("/set\r");
  t->wait_for("top_k");
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("<s>[system] Be kind.\r\n[user] Hi");
  t->wait_for(prompt);
  t->type("Again\r");
  t->wait_for("tokens/s");
  t->wait_for(prompt);

  t->type("/show\r");
  const std::string shown = t->wait_for(prompt);
  for (const char* word : {"llama", "temp 0.25", "top_k 7", "generation_config.json", "messages   5", "of 512 positions"}) {
    EXPECT_NE(shown.find(word), std::string::npos) << word << " in " << shown;
  }

  t->type("/save " + folder_.file("talk.json") + "\r");
  t->wait_for("Saved 5 messages");
  t->wait_for(prompt);
  const Json saved = parse_json(read_file(folder_.file("talk.json"), 1 << 20), "talk.json");
  ASSERT_EQ(saved["messages"].as_array().size(), 5u);
  EXPECT_EQ(saved["messages"].as_array()[0]["content"].as_string(), "Be kind.");
  EXPECT_EQ(saved["messages"].as_array()[1]["content"].as_string(), "Hi");

  t->type("/clear\r");
  t->wait_for(prompt);
  t->type("/prompt\r");
  const std::string cleared = t->wait_for(prompt);
  EXPECT_NE(cleared.find("Be kind."), std::string::npos);
  EXPECT_EQ(cleared.find("[user]"), std::string::npos);
  t->type("/load " + folder_.file("talk.json") + "\r");
  t->wait_for("Loaded 5 messages");
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("[user] Again");
  t->wait_for(prompt);
  t->type("/load /no/such/file\r");
  t->wait_for("error: /no/such/file");
  t->wait_for(prompt);
  t->type("/hlep\r");
  t->wait_for("did you mean /help?");
  t->wait_for(prompt);
  t->type("/exit\r");
  EXPECT_EQ(t->finish(), 0);
}

TEST_F(ChatTerminal, SeveralLines) {
  auto t = start();
  t->type("\"\"\"first\r");
  t->wait_for(more_prompt);
  t->type("second\r");
  t->wait_for(more_prompt);
  t->type("\"\"\"\r");
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("[user] first\r\nsecond\r\n[assistant]");
  t->wait_for(prompt);
  t->type("\"\"\"one\"\"\"\r");
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("[user] one\r\n[assistant]");
  t->wait_for(prompt);
  // A pasted text keeps its newlines and is one message.
  t->type("\033[200~pasted\rtext\033[201~\r");
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("[user] pasted\r\ntext\r\n[assistant]");
  t->wait_for(prompt);
  t->type(ctrl_d);
  EXPECT_EQ(t->finish(), 0);
}

TEST_F(ChatTerminal, CtrlCStopsTheAnswerNotTheProgram) {
  auto t = start({"-n", "-1", "--temp", "0", "--on-overflow", "shift"});  // an answer without an end
  t->type("Hi\r");
  t->wait_for("Hi\r\n");
  t->wait_for("a");  // a piece of the answer: some letter that it has
  t->type(ctrl_c);
  t->wait_for("(stopped)");
  t->wait_for(prompt);
  // The conversation goes on, and the next answer can be stopped too.
  t->type("/set n_predict 3\r");
  t->wait_for(prompt);
  t->type("More\r");
  t->wait_for("More\r\n");
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("[user] More");
  t->wait_for(prompt);
  // At the prompt it drops the line.
  t->type("dropped" + ctrl_c);
  t->wait_for(prompt);
  t->type("/prompt\r");
  EXPECT_EQ(t->wait_for(prompt).find("dropped\r\n["), std::string::npos);
  t->type(ctrl_d);
  EXPECT_EQ(t->finish(), 0);
}

TEST_F(ChatTerminal, HistoryOfThisAndOfEarlierSessions) {
  {
    auto t = start();
    t->type("/set seed 11\r");
    t->wait_for(prompt);
    t->type("/set seed 12\r");
    t->wait_for(prompt);
    t->type(up + up + "\r");
    t->wait_for(prompt);
    t->type("/set seed\r");
    t->wait_for("seed is 11");
    t->wait_for(prompt);
    t->type("\"\"\"two\r");
    t->wait_for(more_prompt);
    t->type("lines\"\"\"\r");
    t->wait_for(prompt);
    t->type("/exit\r");
    EXPECT_EQ(t->finish(), 0);
  }
  auto t = start();
  t->type(up + up + "\r");  // behind /exit: the message of two lines
  t->wait_for(prompt);
  t->type("/prompt\r");
  t->wait_for("[user] two\r\nlines");
  t->wait_for(prompt);
  // Keys of the editor: to the start of the line, then typed in front.
  t->type("seed\x01/set \r");
  t->wait_for("seed is");
  t->wait_for(prompt);
  t->type(ctrl_d);
  EXPECT_EQ(t->finish(), 0);
}

TEST_F(ChatTerminal, WithoutATemplateThereIsNoChat) {
  const std::vector<std::string> environment = {"TASHIKA_HISTORY=none"};
  TerminalSession t({"run", TASHIKA_TEST_DATA "/golden/folders/llama_gqa_f32"}, environment);
  EXPECT_EQ(t.finish(), 1);
}

TEST_F(ChatTerminal, OneAnswerEndsWithANewlineAndIsInterruptible) {
  TerminalSession t({"run", folder_.file("model"), "Hi there", "-n", "-1", "--ignore-eos", "--on-overflow", "shift", "--temp", "0"}, {"TASHIKA_HISTORY=none"});
  t.wait_for("a");
  t.type(ctrl_c);
  EXPECT_EQ(t.finish(), 130);
}

}  // namespace
}  // namespace tashika::test
