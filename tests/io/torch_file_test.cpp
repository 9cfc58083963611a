// Files of torch.save: every type, and what is said of those that are broken or hold more than tensors.
#include "io/torch_file.h"

#include <algorithm>

#include "io/pickle.h"
#include "io/zip.h"
#include "support.h"

namespace tashika {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using namespace std::string_literals;

// ---- archives and pickles spelled out ----

struct Entry {
  std::string name, bytes;
  U16 method = 0, flags = 0;
  U32 claimed = 0xfffffffe;  // size to claim instead of the true one
};

std::string zip(const std::vector<Entry>& entries) {
  std::string out, directory;
  for (const Entry& e : entries) {
    const U32 size = e.claimed == 0xfffffffe ? static_cast<U32>(e.bytes.size()) : e.claimed, at = static_cast<U32>(out.size());
    const std::string middle = le<U16>(e.flags) + le<U16>(e.method) + le<U32>(0) + le<U32>(0) + le<U32>(size) + le<U32>(size) + le<U16>(static_cast<U16>(e.name.size()));
    out += le<U32>(0x04034b50) + le<U16>(20) + middle + le<U16>(0) + e.name + e.bytes;
    directory += le<U32>(0x02014b50) + le<U16>(20) + le<U16>(20) + middle + le<U16>(0) + le<U16>(0) + le<U16>(0) + le<U16>(0) + le<U32>(0) + le<U32>(at) + e.name;
  }
  const auto count = static_cast<U16>(entries.size());
  return out + directory + le<U32>(0x06054b50) + le<U32>(0) + le<U16>(count) + le<U16>(count) + le<U32>(static_cast<U32>(directory.size())) +
         le<U32>(static_cast<U32>(out.size())) + le<U16>(0);
}

std::string text(std::string_view s) { return "X" + le<U32>(static_cast<U32>(s.size())) + std::string(s); }
std::string number(std::int32_t n) { return "J" + le<std::int32_t>(n); }
std::string tuple(const std::string& items) { return "(" + items + "t"; }
std::string storage(const std::string& kind, const std::string& key, std::int32_t elements) {
  return tuple(text("storage") + "ctorch\n" + kind + "\n" + text(key) + text("cpu") + number(elements)) + "Q";
}
std::string numbers(std::initializer_list<std::int32_t> list) {
  std::string out;
  for (const std::int32_t n : list) out += number(n);
  return tuple(out);
}
std::string tensor(const std::string& from, std::int32_t offset, std::initializer_list<std::int32_t> shape, std::initializer_list<std::int32_t> strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n" + tuple(from + number(offset) + numbers(shape) + numbers(strides) + "\x89" + "N") + "R";
}
std::string dict(const std::string& items) { return "\x80\x02}(" + items + "u."; }
const std::string good = dict(text("a") + tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}));

std::string pickle_verdict(std::string_view bytes) {
  const auto copy = shared_copy(bytes);
  return message_of([&] { read_pickled_tensors(as_bytes(*copy), "f"); });
}
std::string verdict(std::string_view bytes) {
  const auto copy = shared_copy(bytes);
  return message_of([&] { TorchFile::parse(as_bytes(*copy), copy, "f")->metadata(); });
}
void expect_words(const std::string& message, std::initializer_list<const char*> words) {
  for (const char* word : words) EXPECT_NE(message.find(word), std::string::npos) << "\"" << word << "\" is not in: " << message;
}

TEST(TorchFiles, EveryTypeIsRead) {
  Runtime meta("meta", nullptr, {});
  for (const char* name : {"all_types.pth", "nested.pth"}) {
    const auto file = TorchFile::open(fixture(name));
    ASSERT_EQ(file->list().size(), 15u) << name;
    const std::pair<const char*, DType> types[] = {{"float32", f32}, {"float16", f16}, {"bfloat16", bf16}, {"float64", f64}, {"int64", i64},
                                                   {"int32", i32},   {"int16", i16},   {"int8", i8},       {"uint8", u8},    {"bool", boolean}};
    for (const auto& [key, dtype] : types) {
      const WeightInfo* info = file->find(key);
      ASSERT_NE(info, nullptr) << key;
      EXPECT_TRUE(info->dtype == dtype) << key;
      EXPECT_EQ(info->shape, Shape{4});
    }
    EXPECT_EQ(file->find("empty")->shape, (Shape{0, 3}));
    EXPECT_EQ(file->find("scalar")->shape, Shape{});
    EXPECT_EQ(file->find("parameter")->shape, (Shape{1, 2}));
    const auto index = [&](const char* key) { return static_cast<std::size_t>(file->find(key) - file->list().data()); };
    const auto rows = file->bytes(index("rows")), matrix = file->bytes(index("matrix"));
    EXPECT_EQ(rows.size(), 32u);
    EXPECT_TRUE(std::equal(rows.begin(), rows.end(), matrix.begin() + 16));
    float first;
    std::memcpy(&first, rows.data(), sizeof first);
    EXPECT_EQ(first, 1.0f);
    EXPECT_EQ(file->load("matrix", meta).shape(), (Shape{3, 4}));
  }
}

TEST(TorchFiles, ATensorSpelledOutIsRead) {
  const std::string file = zip({{"x/data.pkl", good}, {"x/byteorder", "little"}, {"x/data/0", std::string(24, 'x')}});
  EXPECT_EQ(verdict(file), "no error");
}

TEST(TorchFiles, AProgramIsRefusedAndNotRun) {
  expect_words(message_of([] { TorchFile::open(fixture("module.pth")); }), {"module.pth", "at byte", "only tensors are loaded"});
  expect_words(pickle_verdict("\x80\x02"s + "cos\nsystem\n" + tuple(text("true")) + "R."), {"f: pickle at byte 2", "os.system", "only tensors"});
  expect_words(pickle_verdict("\x80\x04"s + text("builtins") + text("eval") + "\x93."), {"builtins.eval", "only tensors"});
  expect_words(pickle_verdict("\x80\x02}i"), {"instruction 105"});
  expect_words(pickle_verdict("\x80\x02"s + "ctorch\nFloatStorage\n" + tuple(number(4)) + "R."), {"calls torch.FloatStorage"});
}

TEST(TorchFiles, EveryMalformedPickleHasItsMessage) {
  const std::string from = storage("FloatStorage", "0", 6);
  const std::pair<std::string, const char*> cases[] = {
      {"", "needs 1 bytes, 0 remain"},
      {"\x80\x02", "needs 1 bytes"},
      {"\x80\x02.", "ends with 0 values"},
      {"}}.", "ends with 2 values"},
      {"].", "holds a list, not a dictionary of tensors"},
      {"t", "a mark that was not set"},
      {"(}t\x85\x87", "empty stack"},
      {"0", "instruction 48"},
      {"X\xff\xff\xff\x7f"s, "needs 2147483647 bytes"},
      {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"s, "remain"},
      {"Nr\xff\xff\xff\xff"s, "remembers value 4294967295 before value 0"},
      {"h\x07", "recalls value 7 of 0"},
      {"\x8a\x09" + std::string(9, 'x'), "a whole number of 9 bytes"},
      {"}(NNNu.", "a key without a value"},
      {"](NNu.", "adds to a list"},
      {"}NNs.", "a key that is None"},
      {dict(text("a") + "N"), "entry \"a\" is None, not a tensor"},
      {dict(text("a") + number(3)), "entry \"a\" is a number"},
      {"NQ", "a persistent id that is no tuple"},
      {dict(text("a") + tensor(storage("OrderedDict", "0", 6), 0, {2}, {1})), "torch.OrderedDict"},
      {dict(text("a") + tensor(storage("FloatStorage", "0", -1), 0, {2}, {1})), "a storage of -1 elements"},
      {dict(text("a") + tensor(from, -1, {2}, {1})), "offset is -1"},
      {dict(text("a") + tensor(from, 0, {-2}, {1})), "a size is -2"},
      {dict(text("a") + tensor(from, 0, {2, 3}, {1, 2})), "not contiguous"},
      {dict(text("a") + tensor(from, 0, {2, 3}, {3})), "2 sizes and 1 strides"},
      {dict(text("a") + tensor(from, 1, {2, 3}, {3, 1})), "6 elements from element 1 of a storage of 6"},
      {dict(text("a") + tensor(from, 0, {2147483647, 2147483647, 2147483647}, {1, 1, 1})), "too many elements"},
      {dict(text("a") + tensor(from, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})), "12 dimensions"},
      {"c" + std::string(300, 'x'), "a name of more than 256 bytes"},
  };
  for (const auto& [bytes, words] : cases) expect_words(pickle_verdict(bytes), {"f: pickle", words});
}

TEST(TorchFiles, EveryMalformedArchiveHasItsMessage) {
  const Entry pickle{"x/data.pkl", good}, data{"x/data/0", std::string(24, 'x')};
  Entry packed = data, hidden = data, long_one = data;
  packed.method = 8;
  hidden.flags = 1;
  long_one.claimed = 1 << 20;
  std::string far = zip({pickle, data});
  far.replace(far.size() - 6, 4, le<U32>(1 << 20));
  std::string many = zip({pickle, data});
  many.replace(many.size() - 12, 2, le<U16>(60000));
  const std::pair<std::string, const char*> cases[] = {
      {"", "no file of torch.save"},
      {"\x80\x02\x8a\x0a", "no file of torch.save"},
      {"PK\x03\x04", "too short for a ZIP archive"},
      {"PK\x03\x04" + std::string(100, 'x'), "no end record"},
      {zip({data}), "holds no data.pkl"},
      {zip({pickle, {"y/data.pkl", good}}), "several data.pkl"},
      {zip({pickle, data, data}), "\"x/data/0\" appears twice"},
      {zip({pickle}), "storage \"0\", which is missing"},
      {zip({pickle, {"x/data/0", "short"}}), "has 5 bytes, not 6 elements of f32"},
      {zip({pickle, {"x/byteorder", "big"}, data}), "big-endian"},
      {zip({pickle, packed}), "compressed (method 8)"},
      {zip({pickle, hidden}), "encrypted"},
      {zip({pickle, long_one}), "remain"},
      {far, "lies outside the file"},
      {many, "60000 items"},
      {zip({{"x/data.pkl", dict(text("a") + tensor(storage("FloatStorage", "0", 6), 0, {6}, {1}) + text("a") + tensor(storage("FloatStorage", "0", 6), 0, {6}, {1}))}, data}), "\"a\" appears twice"},
  };
  for (const auto& [bytes, words] : cases) expect_words(verdict(bytes), {"f", words});
}

TEST(TorchFiles, EveryCutAndEveryFlippedByteIsAnErrorOrATensorInside) {
  const std::string whole = zip({{"x/data.pkl", good}, {"x/data/0", std::string(24, 'x')}});
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_NE(verdict(whole.substr(0, n)), "no error") << "cut to " << n;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    verdict(changed);  // whatever it says, nothing outside the file is read
  }
}

}  // namespace
}  // namespace tashika
