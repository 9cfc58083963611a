// metrics.jsonl, one line a step, and TensorBoard's event files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/append_file.h"
#include "base/json.h"

namespace tashika {

class MetricsFile {
 public:
  // Keeps the first `keep` bytes of a file that is there.
  explicit MetricsFile(std::string path, std::uint64_t keep = 0);
  void append(const Json& line);
  void sync() { file_.sync(); }
  std::uint64_t size() const { return file_.size(); }

 private:
  AppendFile file_;
};

// events.out.tfevents.…: records of a length and a message, each with a masked CRC-32C, as TensorBoard reads them. The
// messages are protocol buffers of the two kinds it needs: the file's version, and scalars by tag.
class EventFile {
 public:
  EventFile(const std::string& folder, std::int64_t first_step);
  void append(std::int64_t step, const std::vector<std::pair<std::string_view, double>>& scalars);

 private:
  void record(const std::string& message);
  AppendFile file_;
};

}  // namespace tashika
