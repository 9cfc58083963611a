// Malformed GGUF files and what is said about each. A file is spelled out field by field.
#include "io/gguf.h"
#include "support.h"

namespace tashika {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

std::string text(std::string_view s) {
  return le<U64>(s.size()) + std::string(s);
}
std::string pair_of(std::string_view key, U32 type, std::string_view value) {
  return text(key) + le<U32>(type) + std::string(value);
}
std::string array_of(std::string_view key, U32 type, U64 count, std::string_view values = {}) {
  return text(key) + le<U32>(9) + le<U32>(type) + le<U64>(count) + std::string(values);
}
std::string tensor(std::string_view name, std::initializer_list<U64> dims, U32 type, U64 offset) {
  std::string out = text(name) + le<U32>(static_cast<U32>(dims.size()));
  for (const U64 dim : dims) out += le<U64>(dim);
  return out + le<U32>(type) + le<U64>(offset);
}
std::string header(U64 tensors, U64 pairs, U32 version = 3) {
  return "GGUF" + le<U32>(version) + le<U64>(tensors) + le<U64>(pairs);
}
std::string pad(std::string bytes, std::size_t alignment = 32) {
  bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
  return bytes;
}
// One tensor's info, then `data` bytes.
std::string one(const std::string& info, std::size_t data) {
  return pad(header(1, 0) + info) + std::string(data, 'x');
}
std::string two(const std::string& a, const std::string& b, std::size_t data) {
  return pad(header(2, 0) + a + b) + std::string(data, 'x');
}

std::string verdict(std::string_view bytes) {
  const auto copy = shared_copy(bytes);
  return message_of([&] { Gguf::parse(as_bytes(*copy), copy, "f")->metadata(); });
}

struct BadFile {
  const char* what;
  std::string bytes;
  std::string message;
};

const char* const supported =
    "f64, f32, f16, bf16, i64, i32, i16, i8, iq4_nl, iq4_xs, q2_k, q3_k, q4_0, q4_1, q4_k, q5_0, q5_1, q5_k, q6_k, "
    "q8_0";

TEST(GgufHostile, EveryMalformationHasItsMessage) {
  const std::string key_and_type = text("k") + le<U32>(8);
  const BadFile files[] = {
      {"empty", "", "f: magic at byte 0: is not \"GGUF\": this is no GGUF file"},
      {"another magic", "GGML" + le<U32>(3), "f: magic at byte 0: is not \"GGUF\": this is no GGUF file"},
      {"magic only", "GGUF", "f: version at byte 4: needs 4 bytes, 0 remain"},
      {"version 0", header(0, 0, 0),
       "f: version at byte 4: is 0; versions 2 and 3 are supported: convert the model again with a current converter"},
      {"version 1", header(0, 0, 1),
       "f: version at byte 4: is 1; versions 2 and 3 are supported: convert the model again with a current converter"},
      {"version 4", header(0, 0, 4), "f: version at byte 4: is 4; versions 2 and 3 are supported"},
      {"big-endian", header(0, 0, 0x03000000),
       "f: version at byte 4: is 3 in big-endian order; only little-endian GGUF is supported: convert the model again "
       "on (or for) a little-endian machine"},
      {"no counts", "GGUF" + le<U32>(3), "f: tensor count at byte 8: needs 8 bytes, 0 remain"},
      {"2^64 - 1 tensors", header(~U64{0}, 0),
       "f: tensor count at byte 8: is 18446744073709551615, more than the file can hold"},
      {"one tensor too many", header(1, 0), "f: tensor count at byte 8: is 1, more than the file can hold"},
      {"2^64 - 1 pairs", header(0, ~U64{0}),
       "f: pair count at byte 16: is 18446744073709551615, more than the file can hold"},
      {"a pair that is not there", header(0, 1), "f: pair count at byte 16: is 1, more than the file can hold"},
      {"more pairs than the bytes", header(0, 2) + pair_of("k", 0, "v"),
       "f: pair count at byte 16: is 2, more than the file can hold"},
      {"key beyond the file", header(0, 1) + le<U64>(100) + "12345", "f: key 0 at byte 32: needs 100 bytes, 5 remain"},
      {"key length 2^64 - 1", header(0, 1) + le(~U64{0}) + "12345",
       "f: key 0 length at byte 24: is 18446744073709551615, more than 65535"},
      {"empty key", header(0, 1) + pair_of("", 4, le<U32>(1)), "f: key 0 at byte 24: is empty"},
      {"key of invalid UTF-8", header(0, 1) + pair_of("a\xff", 4, le<U32>(1)),
       "f: key 0 at byte 33: is not valid UTF-8"},
      {"duplicate key", header(0, 2) + pair_of("k", 4, le<U32>(1)) + pair_of("k", 4, le<U32>(2)),
       "f: key \"k\" appears twice"},
      {"type 13", header(0, 1) + pair_of("k", 13, "1234"), "f: k at byte 33: has the unknown value type 13"},
      {"type 2^32 - 1", header(0, 1) + pair_of("k", ~U32{0}, "1234"),
       "f: k at byte 33: has the unknown value type 4294967295"},
      {"a key that moves the cursor", header(0, 1) + pair_of("\x1b[2J", 13, "1234"),
       "f: \\x1b[2J at byte 36: has the unknown value type 13"},
      {"bool of 2", header(0, 1) + pair_of("k", 7, "\x02"), "f: k at byte 37: is a bool of value 2"},
      {"bools of 1, 3", header(0, 1) + array_of("k", 7, 2, "\x01\x03"), "f: k at byte 50: is a bool of value 3"},
      {"text beyond the file", header(0, 1) + pair_of("k", 8, le<U64>(9) + "12345678"),
       "f: k at byte 45: needs 9 bytes, 8 remain"},
      {"text of 2^64 - 1", header(0, 1) + pair_of("k", 8, le(~U64{0})),
       "f: k at byte 45: needs 18446744073709551615 bytes, 0 remain"},
      {"u64 cut short", header(0, 1) + pair_of("k", 10, "1234567"),
       "f: k at byte 37: 1 items of at least 8 bytes do not fit in the 7 that remain"},
      {"array of arrays", header(0, 1) + array_of("k", 9, 1),
       "f: k at byte 37: is an array of arrays, which is not supported"},
      {"array of type 77", header(0, 1) + array_of("k", 77, 1), "f: k at byte 37: has the unknown value type 77"},
      {"array of 2^64 - 1", header(0, 1) + array_of("k", 4, ~U64{0}),
       "f: k at byte 49: 18446744073709551615 items of at least 4 bytes do not fit in the 0 that remain"},
      {"array whose size wraps to 4", header(0, 1) + array_of("k", 4, (U64{1} << 62) + 1, "1234"),
       "f: k at byte 49: 4611686018427387905 items of at least 4 bytes do not fit in the 4 that remain"},
      {"array one too long", header(0, 1) + array_of("k", 4, 2, "1234567"),
       "f: k at byte 49: 2 items of at least 4 bytes do not fit in the 7 that remain"},
      {"texts of 2^61", header(0, 1) + array_of("k", 8, U64{1} << 61),
       "f: k at byte 49: 2305843009213693952 items of at least 8 bytes do not fit in the 0 that remain"},
      {"a text in an array beyond the file", header(0, 1) + array_of("k", 8, 2, text("ab") + le<U64>(1)),
       "f: k at byte 67: needs 1 bytes, 0 remain"},
      {"alignment 0", header(0, 1) + pair_of("general.alignment", 4, le<U32>(0)),
       "f: general.alignment is 0, not a power of two"},
      {"alignment 3", header(0, 1) + pair_of("general.alignment", 4, le<U32>(3)),
       "f: general.alignment is 3, not a power of two"},
      {"alignment of i32", header(0, 1) + pair_of("general.alignment", 5, le<U32>(32)),
       "f: general.alignment is no u32"},
      {"alignments", header(0, 1) + array_of("general.alignment", 4, 1, le<U32>(32)), "f: general.alignment is no u32"},
      {"alignment 2^31",
       pad(header(1, 1) + pair_of("general.alignment", 4, le<U32>(1u << 31)) + tensor("t", {1}, 0, 0)) + "data",
       "f: tensor \"t\" has 4 bytes at data offset 0, beyond the 0 bytes of data: the file is cut short"},
      {"name beyond the file", pad(header(1, 0) + le<U64>(60000), 64),
       "f: tensor 0 name at byte 32: needs 60000 bytes, 32 remain"},
      {"empty tensor name", one(tensor("", {1}, 0, 0), 4), "f: tensor 0 name at byte 24: is empty"},
      {"tensor name of invalid UTF-8", one(tensor("\xc3(", {1}, 0, 0), 4),
       "f: tensor 0 name at byte 32: is not valid UTF-8"},
      {"duplicate tensor name", two(tensor("t", {1}, 0, 0), tensor("t", {1}, 0, 32), 36),
       "f: tensor \"t\" appears twice"},
      {"five dimensions", one(tensor("t", {1, 1, 1, 1, 1}, 0, 0), 4),
       "f: tensor \"t\" at byte 33: has 5 dimensions, more than 4"},
      {"2^32 - 1 dimensions", one(text("t") + le(~U32{0}) + std::string(40, '\0'), 4),
       "f: tensor \"t\" at byte 33: has 4294967295 dimensions, more than 4"},
      {"dimension 0", one(tensor("t", {2, 0}, 0, 0), 4), "f: tensor \"t\" at byte 45: has a dimension of 0"},
      {"dimension -1", one(tensor("t", {~U64{0}}, 0, 0), 4),
       "f: tensor \"t\" at byte 37: has a dimension of 18446744073709551615"},
      {"product that wraps to 4", one(tensor("t", {(U64{1} << 62) + 1, 4}, 0, 0), 64),
       "f: tensor \"t\" at byte 33: of shape [4, 4611686018427387905] has too many elements"},
      {"bytes that wrap", one(tensor("t", {(U64{1} << 62) + 1}, 0, 0), 64),
       "f: tensor \"t\" at byte 33: of shape [4611686018427387905] has too many elements"},
      {"2^63 - 1 elements", one(tensor("t", {(U64{1} << 63) - 1}, 24, 0), 64),
       "f: tensor \"t\" has 9223372036854775807 bytes at data offset 0, beyond the 64 bytes of data: the file is cut "
       "short"},
      {"removed type", one(tensor("t", {32}, 4, 0), 64),
       cat("f: tensor \"t\" at byte 45: has the unsupported type 4 (q4_2); supported: ", supported)},
      {"iq2_xxs", one(tensor("t", {256}, 16, 0), 66),
       cat("f: tensor \"t\" at byte 45: has the unsupported type 16 (iq2_xxs); supported: ", supported)},
      {"type 2^32 - 1", one(tensor("t", {32}, ~U32{0}, 0), 64),
       cat("f: tensor \"t\" at byte 45: has the unsupported type 4294967295 (unknown); supported: ", supported)},
      {"rows of broken blocks", one(tensor("t", {128, 2}, 12, 0), 144),
       "f: tensor \"t\" at byte 33: has rows of 128 elements, not a whole number of q4_k blocks of 256"},
      {"a block without dimensions", one(tensor("t", {}, 8, 0), 64),
       "f: tensor \"t\" at byte 33: has rows of 1 elements, not a whole number of q8_0 blocks of 32"},
      {"offset that is not aligned", one(tensor("t", {1}, 0, 4), 64),
       "f: tensor \"t\" at byte 49: has offset 4, not a multiple of the alignment 32"},
      {"offset beyond the file", one(tensor("t", {1}, 0, 64), 64),
       "f: tensor \"t\" has 4 bytes at data offset 64, beyond the 64 bytes of data: the file is cut short"},
      {"offset that wraps", one(tensor("t", {16}, 0, ~U64{0} - 31), 64),
       "f: tensor \"t\" has 64 bytes at data offset 18446744073709551584, beyond the 64 bytes of data: the file is cut "
       "short"},
      {"size beyond the file", one(tensor("t", {17}, 0, 0), 64),
       "f: tensor \"t\" has 68 bytes at data offset 0, beyond the 64 bytes of data: the file is cut short"},
      {"no data at all", pad(header(1, 0) + tensor("t", {1}, 0, 0)),
       "f: tensor \"t\" has 4 bytes at data offset 0, beyond the 0 bytes of data: the file is cut short"},
      {"no padding", header(1, 0) + tensor("t", {1}, 0, 0),
       "f: tensor \"t\" has 4 bytes at data offset 0, beyond the 0 bytes of data: the file is cut short"},
      {"the same bytes twice", two(tensor("a", {1}, 0, 0), tensor("b", {1}, 0, 0), 32),
       "f: tensors \"a\" and \"b\" overlap at byte 96"},
      {"overlapping tensors", two(tensor("a", {1}, 0, 32), tensor("b", {9}, 0, 0), 64),
       "f: tensors \"b\" and \"a\" overlap at byte 128"},
  };
  for (const BadFile& file : files) {
    EXPECT_EQ(verdict(file.bytes), file.message) << file.what;
  }
  EXPECT_GE(std::size(files), 55u);
}

TEST(GgufHostile, WhatIsUnusualButLegalOpens) {
  EXPECT_EQ(verdict(header(0, 0)), "no error");
  EXPECT_EQ(verdict(header(0, 0, 2)), "no error");
  EXPECT_EQ(verdict(one(tensor("t", {}, 0, 0), 4)), "no error");                              // a scalar
  EXPECT_EQ(verdict(two(tensor("a", {1}, 0, 32), tensor("b", {1}, 0, 0), 64)), "no error");   // another order
  EXPECT_EQ(verdict(two(tensor("a", {1}, 0, 0), tensor("b", {1}, 0, 64), 100)), "no error");  // a gap, bytes after
  EXPECT_EQ(verdict(header(0, 1) + pair_of("general.alignment", 4, le<U32>(1))), "no error");
  EXPECT_EQ(verdict(header(0, 1) + array_of("k", 8, 0)), "no error");
  EXPECT_EQ(verdict(header(0, 1) + pair_of("k", 8, text("\xff"))), "no error");  // text of any bytes
}

std::string small_valid_file() {
  return read_file(cat(TASHIKA_TEST_DATA, "/../fuzz/corpus/gguf/all_types"), 1 << 16);
}

TEST(GgufHostile, TruncationAtEveryByteIsAnError) {
  const std::string whole = small_valid_file();
  ASSERT_EQ(verdict(whole), "no error");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    ASSERT_NE(verdict(std::string_view(whole).substr(0, n)), "no error") << n;
  }
}

TEST(GgufHostile, EveryFieldReplacedByEveryBadNumberIsAnErrorOrAFile) {
  const std::string whole = small_valid_file();
  const U64 numbers[] = {0,        1,       1u << 7,      (1u << 8) - 1,      1u << 15, (1u << 16) - 1,
                         1u << 31, ~U32{0}, U64{1} << 63, (U64{1} << 63) - 1, ~U64{0}};
  int opened = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const U64 number : numbers) {
      for (const std::size_t width : {1u, 4u, 8u}) {
        if (at + width > whole.size() || (at % 4 != 0 && width == 4 && number > 1)) continue;
        std::string changed = whole;
        changed.replace(at, width, le(number).substr(0, width));
        opened += verdict(changed) == "no error";
      }
    }
  }
  EXPECT_GT(opened, 100);
}

// A claimed count never sizes anything that the file is too short for.
TEST(GgufHostile, CountsAreBoundedByTheBytesThatRemain) {
  const std::string big(1 << 20, '\0');
  EXPECT_NE(verdict(header(200000, 0) + big).find("more than the file can hold"), std::string::npos);
  EXPECT_NE(verdict(header(0, 100000) + big).find("more than the file can hold"), std::string::npos);
}

TEST(GgufHostile, MetadataOfManySmallArraysStaysSmall) {
  std::string bytes = header(0, 100);
  for (int i = 0; i < 100; ++i) bytes += array_of(cat("k", i), 0, 4096, std::string(4096, '\1'));
  const auto copy = shared_copy(bytes);
  const auto file = Gguf::parse(as_bytes(*copy), copy, "f");
  EXPECT_EQ(file->metadata().values.as_object().size(), 32u);  // 131072 elements
  EXPECT_EQ(file->integers("k99")->size(), 4096u);
}

}  // namespace
}  // namespace tashika
