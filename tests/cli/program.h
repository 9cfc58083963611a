// Drives the built program as a user would: arguments and input in, exit code and streams out.
#pragma once

#include <string>
#include <vector>

namespace tashika::test {

struct Outcome {
  int code = -1;  // 128 + signal when a signal ended it
  std::string out, err;
};

// `environment`: NAME=value added to a clean one (HOME and caches point into the test's folder).
Outcome run_program(const std::vector<std::string>& arguments, const std::string& input = {}, const std::vector<std::string>& environment = {});

// A folder that vanishes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

// The program, a child on a terminal of its own.
class TerminalSession {
 public:
  TerminalSession(const std::vector<std::string>& arguments, const std::vector<std::string>& environment);
  ~TerminalSession();
  void type(const std::string& keys);
  // Reads until `text` has come after what was matched before; the output of that span. Empty and a test failure when the
  // program ends or stays silent for a minute.
  std::string wait_for(const std::string& text);
  int finish();  // waits for the end; the exit code
  const std::string& output() const { return output_; }

 private:
  int master_ = -1;
  int child_ = -1;
  std::string output_;
  std::size_t matched_ = 0;
};

// Copies a golden folder's model (by links) and adds a tokenizer of single characters, a chat template and defaults.
void make_model_folder(const std::string& folder, const std::string& golden = "llama_gqa_f32");

}  // namespace tashika::test
