// JsonCursor: reads JSON as it lies, one value after the other, without building a document.
//
// For files whose JSON part may have 100 MB (a safetensors header): memory stays at one string. RFC 8259, UTF-8
// checked, nesting within a budget, no recursion. Errors are "`what`: … at byte N" with N counted from the text's
// start.
//
//   JsonCursor in(text, "model.safetensors: header");
//   in.begin_object();
//   while (in.next_member()) {
//     if (in.key() == "shape") { in.begin_array(); while (in.next_element()) use(in.unsigned_integer()); }
//     else in.skip_value();
//   }
//   in.finish();
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

class JsonCursor {
 public:
  JsonCursor(std::string_view text, std::string what, int depth = 128)
      : text_(text), what_(std::move(what)), depth_(static_cast<std::size_t>(depth)) {}

  void begin_object();
  bool next_member();                            // false at the object's end, which is consumed
  std::string_view key() const { return key_; }  // of the member; valid until the next next_member()
  void begin_array();
  bool next_element();  // false at the array's end, which is consumed

  // A string's value: a view of the text, or of an internal buffer if it has escapes; valid until the next call.
  std::string_view string();
  // A whole number of 0 to 2^64 - 1, written without sign, fraction or exponent.
  std::uint64_t unsigned_integer();
  void skip_value();
  // Nothing but white space may follow.
  void finish();

  std::size_t offset() const { return at_; }
  [[noreturn]] void fail_here(std::string_view problem) const;

 private:
  void skip_space();
  char peek();  // 0 at the end
  void expect(char c);
  void open(char kind);
  bool next(char kind);
  std::string_view read_string(std::string& buffer);
  void read_escape(std::string& buffer);
  unsigned read_hex4();
  void skip_number();
  void skip_word();

  std::string_view text_;
  std::string what_;
  std::size_t depth_;
  std::size_t at_ = 0;
  struct Level {
    char kind;
    bool first;
  };
  std::vector<Level> levels_;
  std::string_view key_;
  std::string key_buffer_;
  std::string buffer_;
};

}  // namespace tashika
