#include "train/rows.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "train/text.h"

namespace tashika {
namespace {

constexpr std::int64_t max_line = std::int64_t{1} << 30;

std::vector<std::int32_t> read_ids(const Json& value, const std::string& where, std::string_view key, bool labels) {
  if (!value.is_array()) fail(where, ": ", key, ": expected a list of token ids, found ", json_type_name(value.type()));
  std::vector<std::int32_t> out;
  out.reserve(value.as_array().size());
  for (const Json& item : value.as_array()) {
    const std::int64_t id = item.is_integer() ? item.as_integer() : -1;
    const bool ignored = labels && item.is_integer() && id == ignored_label;
    if (!ignored && (id < 0 || id > std::numeric_limits<std::int32_t>::max())) {
      fail(where, ": ", key, "[", out.size(), "]: expected a token id", labels ? " or -100" : "", ", found ", printable(dump_json(item), 40));
    }
    out.push_back(static_cast<std::int32_t>(id));
  }
  return out;
}

class FileRows final : public RowSource {
 public:
  FileRows(const std::vector<std::string>& files, OpenText open_text, std::int64_t piece_bytes) : open_text_(std::move(open_text)) {
    for (const std::string& path : files) {
      files_.push_back(MappedFile::open(path));
      const std::span<const std::byte> bytes = files_.back()->bytes();
      const auto* text = reinterpret_cast<const char*>(bytes.data());
      const bool plain = path.ends_with(".txt");
      std::int32_t line = 0;
      for (std::size_t begin = 0; begin < bytes.size();) {
        const std::int32_t first = ++line;
        std::size_t end = line_end(text, begin, bytes.size());
        while (plain && end + 1 < bytes.size() && static_cast<std::int64_t>(end - begin) < piece_bytes) {
          end = line_end(text, end + 1, bytes.size());
          ++line;
        }
        if (std::string_view(text + begin, end - begin).find_first_not_of(" \t\r\n") != std::string_view::npos) {
          lines_.push_back({static_cast<std::int32_t>(files_.size() - 1), first, static_cast<std::int64_t>(begin),
                            static_cast<std::int64_t>(end - begin), plain});
        }
        begin = end + 1;
      }
    }
    if (lines_.empty()) fail(files.empty() ? std::string("data") : files[0], ": there are no rows to train on");
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(lines_.size()); }

  TrainingRow row(std::int64_t index) const override {
    const Line& line = lines_.at(static_cast<std::size_t>(index));
    const MappedFile& file = *files_[static_cast<std::size_t>(line.file)];
    const std::string where = cat(file.path(), ":", line.number);
    if (line.length > max_line) fail(where, ": this line is longer than a row may be");
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()) + line.offset, static_cast<std::size_t>(line.length));
    TrainingRow row;
    if (line.plain) {
      row = words().plain(text);
    } else {
      const Json value = parse_json(text, where);
      if (!value.is_object()) fail(where, ": expected an object, found ", json_type_name(value.type()));
      row = value.contains("input_ids") ? parse(value, where) : words().row(value, where);
    }
    if (row.ids.empty()) fail(where, ": this row has no tokens");
    return row;
  }

 private:
  struct Line {
    std::int32_t file, number;
    std::int64_t offset, length;
    bool plain;
  };

  static std::size_t line_end(const char* text, std::size_t begin, std::size_t size) {
    const void* found = std::memchr(text + begin, '\n', size - begin);
    return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text) : size;
  }

  const TextRows& words() const {
    if (!text_) {
      if (!open_text_) fail(files_[0]->path(), ": rows of text need a tokenizer");
      text_ = open_text_();
    }
    return *text_;
  }

  static TrainingRow parse(const Json& value, const std::string& where) {
    TrainingRow row{read_ids(value["input_ids"], where, "input_ids", false), {}};
    if (const Json* labels = value.find("labels"); labels != nullptr && !labels->is_null()) {
      row.labels = read_ids(*labels, where, "labels", true);
      if (row.labels.size() != row.ids.size()) fail(where, ": ", row.labels.size(), " labels for ", row.ids.size(), " input_ids");
    } else {
      row.labels = row.ids;
    }
    return row;
  }

  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::vector<Line> lines_;
  OpenText open_text_;
  mutable std::unique_ptr<TextRows> text_;
};

}  // namespace

std::int64_t TrainingRow::targets() const {
  std::int64_t n = 0;
  for (std::size_t i = 1; i < labels.size(); ++i) n += labels[i] != ignored_label;
  return n;
}

std::unique_ptr<RowSource> open_rows(const std::vector<std::string>& files, OpenText open_text, std::int64_t piece_bytes) {
  return std::make_unique<FileRows>(files, std::move(open_text), piece_bytes);
}

RowOrder::RowOrder(std::int64_t count, bool shuffle, std::uint64_t seed) : count_(count), shuffle_(shuffle), seed_(seed) {}

std::int64_t RowOrder::at(std::int64_t position) {
  const std::int64_t within = position % count_;
  if (!shuffle_) return within;
  if (epoch(position) != epoch_) {  // Fisher & Yates, drawn by counter
    epoch_ = epoch(position);
    permutation_.resize(static_cast<std::size_t>(count_));
    std::iota(permutation_.begin(), permutation_.end(), std::int64_t{0});
    for (std::int64_t i = count_ - 1; i > 0; --i) {
      const double u = draw_uniform(seed_, Draw::shuffle, static_cast<std::uint32_t>(epoch_), static_cast<std::uint64_t>(i));
      const auto j = std::min(i, static_cast<std::int64_t>(u * static_cast<double>(i + 1)));
      std::swap(permutation_[static_cast<std::size_t>(i)], permutation_[static_cast<std::size_t>(j)]);
    }
  }
  return permutation_[static_cast<std::size_t>(within)];
}

}  // namespace tashika
