#include "program.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../decode/support.h"

namespace tashika::test {
namespace {

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

[[noreturn]] void become(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  std::vector<std::string> all = {TASHIKA_PROGRAM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& a : all) argv.push_back(a.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables = {"PATH=/usr/bin:/bin", "HOME=/nonexistent", "TERM=xterm", "LC_ALL=C.UTF-8"};
  for (const char* passed : {"TASHIKA_ISA", "QEMU_LD_PREFIX", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(passed)) variables.push_back(std::string(passed) + "=" + value);
  }
  variables.insert(variables.end(), environment.begin(), environment.end());
  std::vector<char*> envp;
  for (std::string& v : variables) envp.push_back(v.data());
  envp.push_back(nullptr);
  ::execve(TASHIKA_PROGRAM, argv.data(), envp.data());
  ::_exit(127);
}

}  // namespace

Outcome run_program(const std::vector<std::string>& arguments, const std::string& input, const std::vector<std::string>& environment) {
  int in[2], out[2], err[2];
  if (::pipe(in) != 0 || ::pipe(out) != 0 || ::pipe(err) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(in[0], 0), ::dup2(out[1], 1), ::dup2(err[1], 2);
    for (int* p : {in, out, err}) ::close(p[0]), ::close(p[1]);
    become(arguments, environment);
  }
  ::close(in[0]), ::close(out[1]), ::close(err[1]);
  ::signal(SIGPIPE, SIG_IGN);
  Outcome result;
  std::size_t written = 0;
  bool out_open = true, err_open = true, in_open = true;
  while (out_open || err_open) {
    pollfd fds[3] = {{out_open ? out[0] : -1, POLLIN, 0}, {err_open ? err[0] : -1, POLLIN, 0}, {in_open ? in[1] : -1, POLLOUT, 0}};
    ::poll(fds, 3, -1);
    char buffer[65536];
    if (fds[2].revents != 0) {
      const ssize_t n = written < input.size() ? ::write(in[1], input.data() + written, std::min<std::size_t>(input.size() - written, 4096)) : -1;
      if (n > 0) written += static_cast<std::size_t>(n);
      if (n <= 0) ::close(in[1]), in_open = false;
    }
    const auto take = [&](int index, int fd, std::string& to, bool& open) {
      if (fds[index].revents == 0) return;
      const ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n > 0) to.append(buffer, static_cast<std::size_t>(n));
      if (n <= 0) open = false;
    };
    take(0, out[0], result.out, out_open);
    take(1, err[0], result.err, err_open);
  }
  if (in_open) ::close(in[1]);
  ::close(out[0]), ::close(err[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.code = exit_code(status);
  return result;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tashika-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryFolder::write(const std::string& name, const std::string& text) const {
  std::filesystem::create_directories(std::filesystem::path(file(name)).parent_path());
  std::ofstream(file(name), std::ios::binary) << text;
}

TerminalSession::TerminalSession(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  winsize size{24, 100, 0, 0};
  child_ = ::forkpty(&master_, nullptr, nullptr, &size);
  if (child_ == 0) become(arguments, environment);
}

TerminalSession::~TerminalSession() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  if (master_ >= 0) ::close(master_);
}

void TerminalSession::type(const std::string& keys) {
  ASSERT_EQ(::write(master_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
}

std::string TerminalSession::wait_for(const std::string& text) {
  while (true) {
    if (const std::size_t at = output_.find(text, matched_); at != std::string::npos) {
      const std::string span = output_.substr(matched_, at + text.size() - matched_);
      matched_ = at + text.size();
      return span;
    }
    pollfd fd{master_, POLLIN, 0};
    char buffer[4096];
    const ssize_t n = ::poll(&fd, 1, 60000) > 0 ? ::read(master_, buffer, sizeof buffer) : -1;
    if (n <= 0) {
      ADD_FAILURE() << "waited for \"" << text << "\"; since then came \"" << output_.substr(matched_) << "\"";
      return {};
    }
    output_.append(buffer, static_cast<std::size_t>(n));
  }
}

int TerminalSession::finish() {
  char buffer[4096];
  while (true) {
    const ssize_t n = ::read(master_, buffer, sizeof buffer);
    if (n <= 0) break;
    output_.append(buffer, static_cast<std::size_t>(n));
  }
  int status = 0;
  ::waitpid(child_, &status, 0);
  child_ = -1;
  return exit_code(status);
}

void make_model_folder(const std::string& folder, const std::string& golden) {
  namespace fs = std::filesystem;
  fs::create_directories(folder);
  for (const auto& entry : fs::directory_iterator(fs::path(TASHIKA_TEST_DATA "/golden/folders") / golden)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors") || name == "config.json" || name.ends_with(".index.json")) {
      fs::create_symlink(fs::canonical(entry.path()), fs::path(folder) / name);
    }
  }
  const auto write = [&](const char* name, const std::string& text) { std::ofstream(fs::path(folder) / name, std::ios::binary) << text; };
  write("tokenizer.json", dump_json(character_tokenizer()));
  write("tokenizer_config.json", R"({"bos_token":"<s>","eos_token":"</s>","chat_template":[{"name":"default","template":"{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"},{"name":"tool_use","template":"{{ tools | tojson }}"}]})");
  write("generation_config.json", R"({"eos_token_id":[2],"temperature":0.5,"top_k":7})");
}

}  // namespace tashika::test
