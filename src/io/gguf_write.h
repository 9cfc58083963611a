// Writing GGUF files (version 3): durable, aligned.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf.h"

namespace tashika {

class DurableFile;

// The key-value pairs of a file to be written, in order. Adding a key twice replaces the value in its place.
class GgufFields {
 public:
  template <typename T>  // the integer and float types of GgufType, and bool
  void add(std::string_view key, T value);
  void add_text(std::string_view key, std::string_view value);
  template <typename T>
  void add_array(std::string_view key, std::span<const T> values);
  void add_texts(std::string_view key, std::span<const std::string_view> values);
  void add(const GgufField& field);  // a copy of one that was read
  void remove(std::string_view key);

  std::size_t size() const { return entries_.size(); }
  std::string encode() const;
  // The value of general.alignment, 32 without one. Throws when it is no power of two.
  std::uint32_t alignment() const;

 private:
  struct Entry {
    std::string key;
    std::string value;  // type and encoded value
  };
  void put(std::string_view key, std::string value);
  std::vector<Entry> entries_;
};

// Everything before the data: header, pairs, tensor infos in this order, padding. Throws for a dtype that GGUF lacks, a
// duplicate name, rows of broken blocks, dimensions of 0 or more than four.
std::string gguf_header(const GgufFields& fields, const std::vector<WeightInfo>& tensors);

// Streams a file: the header at once, then each tensor's bytes in order, in pieces of any size (never across two
// tensors).
class GgufWriter {
 public:
  GgufWriter(const std::string& path, const GgufFields& fields, std::vector<WeightInfo> tensors);
  ~GgufWriter();
  void write(std::span<const std::byte> bytes);  // of the current tensor; padding is added after its last byte
  void commit();                                 // throws when a tensor is incomplete

 private:
  std::vector<WeightInfo> tensors_;
  std::size_t current_ = 0;
  std::uint64_t left_ = 0;  // bytes of the current tensor still to come
  std::uint32_t alignment_ = 32;
  std::unique_ptr<DurableFile> file_;
  void next();
};

}  // namespace tashika
