// Training rows: token ids with labels, read from JSONL files where they lie.
//
// A file is mapped and only the places of its lines are kept, so files larger than memory stream. A row is one line:
//   {"text": …}, {"prompt": …, "completion": …}, {"messages": […], "tools": […]}   through tokenizer and chat template
//   {"input_ids": [...], "labels": [...]}   taken exactly as given; without labels every id is one; −100 counts for nothing
// The label at position i is what the model should say after position i − 1, so that of position 0 is never a target.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tashika {

inline constexpr std::int32_t ignored_label = -100;

// Which tokens of a prompt or a conversation are learnt.
enum class LossOn { answers, all };

struct TrainingRow {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> labels;  // as long as ids

  std::int64_t targets() const;  // labels that count: all but that of position 0 and the ignored ones
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual std::int64_t size() const = 0;
  // Error(input) naming file and line. Rows of no ids are an error.
  virtual TrainingRow row(std::int64_t index) const = 0;
};

// What makes rows of text; opened when the first such row is met. Error when there is no tokenizer.
class TextRows;
using OpenText = std::function<std::unique_ptr<TextRows>()>;

// The rows of files, in order. A name that ends in .txt is plain text: pieces of whole lines, about `piece_bytes` long. All
// others are JSONL; blank lines are none. Error when there are no rows at all.
std::unique_ptr<RowSource> open_rows(const std::vector<std::string>& files, OpenText open_text = {}, std::int64_t piece_bytes = 1024);

// In which order rows are read: `count` rows over and over, each epoch in file order or in a permutation of its own that is
// a function of seed and epoch.
class RowOrder {
 public:
  RowOrder(std::int64_t count, bool shuffle, std::uint64_t seed);
  std::int64_t at(std::int64_t position);  // the row read at this position, counting from the start of training
  std::int64_t epoch(std::int64_t position) const { return position / count_; }

 private:
  std::int64_t count_;
  bool shuffle_;
  std::uint64_t seed_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> permutation_;  // of epoch_
};

}  // namespace tashika
