#include "io/npy.h"

#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "io/weight_table.h"

namespace tashika {

namespace {

struct Descr {
  const char* text;
  const DTypeInfo* dtype;
};
// '|' and '<' both stand for one-byte types; NumPy writes '|'.
const Descr descrs[] = {{"<f4", &f32}, {"<f8", &f64}, {"<f2", &f16},     {"<i4", &i32}, {"<i8", &i64}, {"<i2", &i16},
                        {"|i1", &i8},  {"|u1", &u8},  {"|b1", &boolean}, {"<u2", &u16}, {"<u4", &u32}, {"<u8", &u64}};

constexpr std::uint64_t max_header = 65'536;

// The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. Only these three keys,
// in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  void parse(NpyArray& out) {
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        const std::string_view value = quoted();
        for (const Descr& known : descrs) {
          if (value == known.text) out.dtype = *known.dtype;
        }
        if (!out.dtype) fail(what_, ": has the unsupported element type '", value, "'");
      } else if (key == "fortran_order" && !order) {
        order = true;
        if (accept_word("True")) fail(what_, ": is in Fortran order; save it with numpy.ascontiguousarray");
        if (!accept_word("False")) bad();
      } else if (key == "shape" && !shape) {
        shape = true;
        expect('(');
        while (!accept(')')) {
          out.shape.push_back(number());
          if (!accept(',')) {
            expect(')');
            break;
          }
        }
      } else {
        bad();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    space();
    if (at_ != text_.size() || !descr || !order || !shape) bad();
  }

 private:
  [[noreturn]] void bad() const { fail(what_, ": has a damaged .npy header at byte ", at_, " of it"); }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    space();
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }
  void expect(char c) {
    if (!accept(c)) bad();
  }
  bool accept_word(std::string_view word) {
    space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string_view quoted() {
    space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') bad();
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos) bad();
    const std::string_view out = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return out;
  }
  std::int64_t number() {
    space();
    std::int64_t value = 0;
    const std::size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (__builtin_mul_overflow(value, std::int64_t{10}, &value) ||
          __builtin_add_overflow(value, std::int64_t{text_[at_] - '0'}, &value)) {
        bad();
      }
    }
    if (at_ == begin) bad();
    return value;
  }

  std::string_view text_;
  const std::string& what_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<float> NpyArray::floats() const {
  std::vector<float> out(static_cast<std::size_t>(shape.numel()));
  dtype->decode(bytes.data(), out.data(), static_cast<std::int64_t>(out.size()));
  return out;
}

NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& what) {
  ByteReader in(bytes, what);
  if (in.remaining() < 6 || in.take_text(6, "magic") != "\x93NUMPY") fail(what, ": is no .npy file");
  const auto major = in.read<std::uint8_t>("version");
  in.read<std::uint8_t>("version");
  if (major < 1 || major > 3) fail(what, ": .npy version ", static_cast<int>(major), " is not supported");
  const std::uint64_t length =
      major == 1 ? in.read<std::uint16_t>("header length") : in.read<std::uint32_t>("header length");
  if (length > max_header) in.fail_at(8, "header length", cat("is ", length, ", more than ", max_header));
  NpyArray out;
  HeaderParser(in.take_text(length, "header"), what).parse(out);
  std::uint64_t size = 0;
  if (!tensor_bytes(out.shape, out.dtype, size) || size != in.remaining()) {
    fail(what, ": ", out.dtype->name, out.shape.str(), " does not match the ", in.remaining(), " bytes of data");
  }
  const auto data = in.take(size, "data");
  out.bytes.assign(data.begin(), data.end());
  return out;
}

NpyArray read_npy(const std::string& path) {
  const auto file = MappedFile::open(path);
  return parse_npy(file->bytes(), path);
}

std::string npy_header(DType dtype, const Shape& shape) {
  std::string text;
  for (const Descr& known : descrs) {
    if (dtype == DType(*known.dtype)) text = cat("{'descr': '", known.text, "', 'fortran_order': False, 'shape': (");
  }
  if (text.empty()) fail(".npy has no element type for ", dtype->name);
  for (int d = 0; d < shape.rank(); ++d)
    text += cat(shape[d], shape.rank() == 1 ? "," : d + 1 < shape.rank() ? ", " : "");
  text += "), }";
  // Magic, version, length and text with its newline fill whole 64-byte lines, as NumPy writes them.
  constexpr std::size_t before = 10;
  text.resize((before + text.size() + 1 + 63) / 64 * 64 - before - 1, ' ');
  text += '\n';
  const auto length = static_cast<std::uint16_t>(text.size());
  std::string out("\x93NUMPY\x01\x00", 8);
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  return out + text;
}

void write_npy(const std::string& path, DType dtype, const Shape& shape, std::span<const std::byte> bytes) {
  std::uint64_t size = 0;
  check(tensor_bytes(shape, dtype, size) && size == bytes.size(), "write_npy: size does not match the shape");
  DurableFile file(path);
  file.write(npy_header(dtype, shape));
  file.write(bytes);
  file.commit();
}

void write_npy(const std::string& path, const Shape& shape, std::span<const float> values) {
  write_npy(path, f32, shape, std::as_bytes(values));
}

}  // namespace tashika
