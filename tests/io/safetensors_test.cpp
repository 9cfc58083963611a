#include "io/safetensors.h"

#include "io/safetensors_write.h"
#include "support.h"

namespace tashika {
namespace {

using SafetensorsFile = TemporaryFolder;

TEST(Safetensors, ReadsEveryDtypeThatTorchWrites) {
  HostRuntime host;
  const auto file = Safetensors::open(fixture("all_types.safetensors"));
  EXPECT_EQ(file->list().size(), 23u);
  const auto floats = [&](const char* name) { return file->load(name, host.runtime).to_host(); };
  const auto integers = [&](const char* name) { return file->load(name, host.runtime).to_host_int(); };
  using F = std::vector<float>;
  using I = std::vector<std::int64_t>;
  EXPECT_EQ(floats("f64"), (F{0, 1, 2}));
  EXPECT_EQ(floats("f32"), (F{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(file->find("f32")->shape, (Shape{2, 3}));
  EXPECT_EQ(floats("f16"), (F{0, 1, 2, 3}));
  EXPECT_EQ(floats("bf16"), (F{0, 1, 2, 3, 4}));
  EXPECT_EQ(floats("f8_e4m3"), (F{0.5, -2, 448}));
  EXPECT_EQ(floats("f8_e5m2"), (F{0.5, -2}));
  EXPECT_EQ(floats("f8_e8m0"), (F{0.5, 2}));
  EXPECT_EQ(floats("f8_e4m3fnuz"), (F{0.5, -2, 240, 0.0009765625f}));
  EXPECT_EQ(floats("f8_e5m2fnuz"), (F{0.5, -2, 57344}));
  EXPECT_EQ(file->find("f4")->shape, (Shape{2, 4}));
  EXPECT_EQ(floats("f4"), (F{0, 0.5, 1, 1.5, 2, 3, 4, -6}));
  EXPECT_EQ(integers("i64"), (I{-(std::int64_t{1} << 40), 1}));
  EXPECT_EQ(integers("i32"), (I{-5, 6}));
  EXPECT_EQ(integers("i16"), (I{-7, 8}));
  EXPECT_EQ(integers("i8"), (I{-9, 10}));
  EXPECT_EQ(integers("u8"), (I{250}));
  EXPECT_EQ(integers("u16"), (I{65000}));
  EXPECT_EQ(integers("u32"), (I{4000000000}));
  EXPECT_EQ(integers("u64"), (I{3}));
  EXPECT_EQ(integers("bool"), (I{1, 0, 1}));
  EXPECT_EQ(file->find("c64")->dtype, DType(c64));
  EXPECT_EQ(file->load("scalar", host.runtime).item(), 7.5f);
  EXPECT_EQ(file->load("scalar", host.runtime).rank(), 0);
  EXPECT_EQ(file->load("empty", host.runtime).shape(), (Shape{0, 4}));
  EXPECT_EQ(floats("wéird \"name\""), (F{1}));
  EXPECT_EQ(file->find("none"), nullptr);
  const std::vector<std::pair<std::string, std::string>> expected{{"format", "pt"}, {"note", "tab\there"}};
  EXPECT_EQ(file->metadata(), expected);
}

TEST(Safetensors, LoadsViewsOfTheMappingAndCopiesOnlyWhatIsMisaligned) {
  HostRuntime host;
  const auto file = Safetensors::open(fixture("all_types.safetensors"));
  const Tensor view = file->load("f32", host.runtime);
  EXPECT_EQ(host.runtime.memory().live, 0);
  EXPECT_EQ(view.bytes().data(), file->bytes(static_cast<std::size_t>(file->find("f32") - file->list().data())).data());

  const auto odd = Safetensors::open(fixture("misaligned.safetensors"));
  const Tensor copy = odd->load("f32", host.runtime);
  EXPECT_EQ(copy.to_host(), (std::vector<float>{1.5f, -2.5f}));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(copy.bytes().data()) % 4, 0u);
  EXPECT_GT(host.runtime.memory().live, 0);
}

TEST(Safetensors, TensorsOutliveTheSource) {
  HostRuntime host;
  auto file = Safetensors::open(fixture("all_types.safetensors"));
  const Tensor tensor = file->load("f32", host.runtime);
  file.reset();
  EXPECT_EQ(tensor.to_host()[5], 5.0f);
}

TEST(Safetensors, AMetaRuntimeGetsShapesOnly) {
  MetaRuntime meta;
  const auto file = Safetensors::open(fixture("all_types.safetensors"));
  const Tensor tensor = file->load("f32", meta.runtime);
  EXPECT_TRUE(tensor.is_meta());
  EXPECT_EQ(tensor.shape(), (Shape{2, 3}));
}

TEST(Safetensors, ReadsShards) {
  HostRuntime host;
  const auto file = Safetensors::open(fixture("sharded.safetensors.index.json"));
  ASSERT_EQ(file->list().size(), 3u);
  EXPECT_EQ(file->load("a", host.runtime).to_host(), (std::vector<float>{0, 1}));
  EXPECT_EQ(file->load("b", host.runtime).to_host(), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(file->load("c", host.runtime).to_host(), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(message_of([&] { file->load("d", host.runtime); }),
            fixture("sharded.safetensors.index.json") + ": has no tensor \"d\"");
}

TEST_F(SafetensorsFile, IndexesThatLieAreRefused) {
  const std::string shard = fixture_bytes("sharded-00001-of-00002.safetensors");
  write_file(at("one.safetensors"), shard);
  const auto verdict = [&](std::string_view map) {
    write_file(at("m.safetensors.index.json"), map);
    std::string message = message_of([&] { Safetensors::open(at("m.safetensors.index.json")); });
    const std::size_t prefix = message.find(folder);
    if (prefix != message.npos) message.erase(prefix, folder.size() + 1);
    return message;
  };
  EXPECT_EQ(verdict(R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors"}})"), "no error");
  EXPECT_EQ(verdict(R"({"weight_map":{"z":"one.safetensors"}})"),
            "m.safetensors.index.json: weight_map promises tensor \"z\" in one.safetensors, which does not have it at "
            "byte 36");
  for (const char* evil : {"../one.safetensors", "/etc/passwd", "..", "", "a\\u0000b"}) {
    EXPECT_NE(verdict(cat(R"({"weight_map":{"a":")", evil, "\"}}")).find("which is no file name"), std::string::npos)
        << evil;
  }
  EXPECT_EQ(verdict(R"({"weight_map":{"a":"two.safetensors"}})"),
            "two.safetensors: cannot open: No such file or directory");
  EXPECT_EQ(verdict(R"({"weight":{}})"), "m.safetensors.index.json: has no \"weight_map\"");
  EXPECT_EQ(verdict(R"({"weight_map":{"a":7}})"), "m.safetensors.index.json: expected a string at byte 19");
  write_file(at("two.safetensors"), shard);
  EXPECT_EQ(verdict(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})"),
            "m.safetensors.index.json: tensor \"a\" appears twice");
}

TEST_F(SafetensorsFile, WritesWhatItReads) {
  HostRuntime host;
  const auto source = Safetensors::open(fixture("all_types.safetensors"));
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const WeightInfo& info : source->list()) tensors.emplace_back(info.name, source->load(info.name, host.runtime));
  save_safetensors(at("copy.safetensors"), tensors, source->metadata());
  const auto copy = Safetensors::open(at("copy.safetensors"));
  ASSERT_EQ(copy->list().size(), source->list().size());
  EXPECT_EQ(copy->metadata(), source->metadata());
  for (std::size_t i = 0; i < copy->list().size(); ++i) {
    const WeightInfo& info = copy->list()[i];
    const WeightInfo* original = source->find(info.name);
    ASSERT_NE(original, nullptr);
    EXPECT_EQ(info.dtype, original->dtype);
    EXPECT_EQ(info.shape, original->shape);
    const auto a = copy->bytes(i);
    const auto b = source->bytes(static_cast<std::size_t>(original - source->list().data()));
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << info.name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % static_cast<std::uintptr_t>(info.dtype->bytes), 0u);
  }
}

TEST_F(SafetensorsFile, UnfinishedOrImpossibleSavesLeaveNothing) {
  EXPECT_THROW(
      {
        SafetensorsWriter writer(at("x"), {{"a", f32, Shape{2}}}, {});
        writer.write(as_bytes("1234"));
        writer.commit();
      },
      Error);
  EXPECT_NE(message_of([&] {
              SafetensorsWriter(at("x"), {{"a", f32, Shape{2}}, {"a", f16, Shape{2}}}, {});
            }).find("two tensors named \"a\""),
            std::string::npos);
  EXPECT_TRUE(list_directory(folder).empty());
}

// --- malformed files -----------------------------------------------------------------------------------------------

std::string file_of(std::string_view json, std::string_view data = {}) {
  return le<std::uint64_t>(json.size()) + std::string(json) + std::string(data);
}

std::string verdict(std::string_view bytes) {
  const auto copy = shared_copy(bytes);
  return message_of([&] { Safetensors::parse(as_bytes(*copy), copy, "f"); });
}

struct BadFile {
  const char* what;
  std::string bytes;
  std::string message;
};

TEST(SafetensorsHostile, EveryMalformationHasItsMessage) {
  const std::string four(4, 'x');
  const auto one = [](std::string_view entry) { return cat("{\"a\":", entry, "}"); };
  const BadFile files[] = {
      {"empty file", "", "f: header length at byte 0: needs 8 bytes, 0 remain"},
      {"seven bytes", "1234567", "f: header length at byte 0: needs 8 bytes, 7 remain"},
      {"header length 0", file_of(""), "f: header at byte 8: does not start with '{'"},
      {"header length 7 of 2", le<std::uint64_t>(7) + "{}",
       "f: header length at byte 0: 7, but only 2 bytes follow: the file is cut short or no safetensors file"},
      {"header length 8 of 2", le<std::uint64_t>(8) + "{}",
       "f: header length at byte 0: 8, but only 2 bytes follow: the file is cut short or no safetensors file"},
      {"header length 100,000,001", le<std::uint64_t>(100'000'001) + "{}",
       "f: header length at byte 0: 100000001 is beyond the format's limit of 100000000: not a safetensors file, or a "
       "damaged one"},
      {"header length 2^64 - 1", le(~std::uint64_t{0}) + "{}",
       "f: header length at byte 0: 18446744073709551615 is beyond the format's limit of 100000000: not a safetensors "
       "file, or a damaged one"},
      {"a pickle in a zip", std::string("PK\x03\x04\x14\0\0\0\x08\x08", 10),
       "f: header length at byte 0: 85966670672 is beyond the format's limit of 100000000: not a safetensors file, or "
       "a damaged one"},
      {"white space first", file_of(" {}"), "f: header at byte 8: does not start with '{'"},
      {"an array", file_of("[]"), "f: header at byte 8: does not start with '{'"},
      {"no end", file_of("{"), "f: header: expected a string at byte 1"},
      {"text after the end", file_of("{}x"), "f: header: more text after the JSON value at byte 2"},
      {"trailing comma", file_of(one(R"({"dtype":"U8","shape":[0],"data_offsets":[0,0],})")),
       "f: header: expected a string at byte 52"},
      {"invalid UTF-8", file_of("{\"\xff\":1}"), "f: header: invalid UTF-8 at byte 2"},
      {"an overlong form", file_of("{\"\xc0\xaf\":1}"), "f: header: invalid UTF-8 at byte 2"},
      {"a surrogate", file_of("{\"\xed\xa0\x80\":1}"), "f: header: invalid UTF-8 at byte 2"},
      {"half an escaped surrogate", file_of(R"({"\ud800":1})"), "f: header: half a surrogate pair at byte 8"},
      {"a control character", file_of("{\"a\nb\":1}"), "f: header: a control character in a string at byte 3"},
      {"an unknown escape", file_of(R"({"\q":1})"), "f: header: an unknown escape at byte 3"},
      {"no object", file_of(one("7")), "f: header: expected '{' at byte 5"},
      {"no dtype", file_of(one(R"({"shape":[4],"data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" has no field \"dtype\" at byte 39"},
      {"no shape", file_of(one(R"({"dtype":"U8","data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" has no field \"shape\" at byte 40"},
      {"no offsets", file_of(one(R"({"dtype":"U8","shape":[4]})"), four),
       "f: header: tensor \"a\" has no field \"data_offsets\" at byte 31"},
      {"two shapes", file_of(one(R"({"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" has two fields \"shape\" at byte 39"},
      {"unknown dtype", file_of(one(R"({"dtype":"Q7","shape":[4],"data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" has the unknown dtype \"Q7\" (known: F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, "
       "U16, U8, BOOL, F8_E4M3, F8_E5M2, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, F4, F6_E2M3, F6_E3M2, C64) at byte 18"},
      {"half a byte", file_of(one(R"({"dtype":"F4","shape":[2,3],"data_offsets":[0,3]})"), "123"),
       "f: header: tensor \"a\" of F4[2, 3] has rows that are no whole bytes at byte 54"},
      {"negative dimension", file_of(one(R"({"dtype":"U8","shape":[-4],"data_offsets":[0,4]})"), four),
       "f: header: expected a whole number of at least 0 at byte 28"},
      {"fractional dimension", file_of(one(R"({"dtype":"U8","shape":[4.0],"data_offsets":[0,4]})"), four),
       "f: header: expected a whole number of at least 0 at byte 29"},
      {"1e999", file_of(one(R"({"dtype":"U8","shape":[1e999],"data_offsets":[0,4]})"), four),
       "f: header: expected a whole number of at least 0 at byte 29"},
      {"dimension beyond 2^64",
       file_of(one(R"({"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]})"), four),
       "f: header: a number beyond 2^64 at byte 47"},
      {"dimension beyond 2^63",
       file_of(one(R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" has a dimension beyond 2^63 at byte 47"},
      {"leading zero", file_of(one(R"({"dtype":"U8","shape":[04],"data_offsets":[0,4]})"), four),
       "f: header: expected ',' at byte 29"},
      {"seven dimensions", file_of(one(R"({"dtype":"U8","shape":[1,1,1,1,1,1,4],"data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" has more than 6 dimensions at byte 41"},
      {"product that wraps to 4",
       file_of(one(R"({"dtype":"U8","shape":[4611686018427387905,4],"data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" of shape [4611686018427387905, 4] has too many elements at byte 72"},
      {"product that overflows behind a zero",
       file_of(one(R"({"dtype":"U8","shape":[0,4611686018427387904,4],"data_offsets":[0,0]})")),
       "f: header: tensor \"a\" of shape [0, 4611686018427387904, 4] has too many elements at byte 74"},
      {"bytes that overflow",
       file_of(one(R"({"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]})"), four + four),
       "f: header: tensor \"a\" of shape [2305843009213693953] has too many elements at byte 71"},
      {"offsets beyond the data", file_of(one(R"({"dtype":"U8","shape":[5],"data_offsets":[0,5]})"), four),
       "f: header: tensor \"a\" has data_offsets [0, 5] outside the 4 bytes of data at byte 52"},
      {"offsets reversed", file_of(one(R"({"dtype":"U8","shape":[4],"data_offsets":[4,0]})"), four),
       "f: header: tensor \"a\" has data_offsets [4, 0] outside the 4 bytes of data at byte 52"},
      {"one offset", file_of(one(R"({"dtype":"U8","shape":[4],"data_offsets":[4]})"), four),
       "f: header: tensor \"a\" has data_offsets that are not two numbers at byte 49"},
      {"three offsets", file_of(one(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4,4]})"), four),
       "f: header: tensor \"a\" has data_offsets that are not two numbers at byte 52"},
      {"fewer bytes than the shape", file_of(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"), four),
       "f: header: tensor \"a\" of F32[2] needs 8 bytes, its data_offsets give 4 at byte 53"},
      {"trailing bytes", file_of(one(R"({"dtype":"U8","shape":[3],"data_offsets":[0,3]})"), four),
       "f: 1 bytes follow the last tensor (data byte 3)"},
      {"data without tensors", file_of("{}", four), "f: 4 bytes follow the last tensor (data byte 0)"},
      {"a gap",
       file_of(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           four),
       "f: tensor \"b\" starts at data byte 2, leaving a gap after the one before it, which ends at 1"},
      {"an overlap",
       file_of(
           R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           four),
       "f: tensor \"b\" starts at data byte 2, inside the tensor before it, which ends at 3"},
      {"a duplicate name",
       file_of(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           four),
       "f: tensor \"a\" appears twice"},
      {"a name that moves the cursor",
       file_of(R"({"\u001b[2J\n":{"dtype":"U8","shape":[3],"data_offsets":[0,4]}})", four),
       "f: header: tensor \"\\x1b[2J\\x0a\" of U8[3] needs 3 bytes, its data_offsets give 4 at byte 62"},
      {"metadata that is no string", file_of(R"({"__metadata__":{"a":1}})"), "f: header: expected a string at byte 21"},
      {"metadata that is no object", file_of(R"({"__metadata__":"a"})"), "f: header: expected '{' at byte 16"},
      {"metadata twice", file_of(R"({"__metadata__":{},"__metadata__":{}})"),
       "f: header: \"__metadata__\" appears twice at byte 34"},
      {"deep nesting", file_of(one(cat(R"({"x":)", std::string(100000, '['), "}"))),
       "f: header: more than 128 levels of nesting at byte 137"},
      {"nan", file_of(one(R"({"x":NaN})")), "f: header: expected a value at byte 10"},
      {"a number without digits", file_of(one(R"({"x":-})")), "f: header: an incomplete number at byte 11"},
      {"a fraction without digits", file_of(one(R"({"x":1.})")), "f: header: an incomplete number at byte 12"},
      {"a string without end", file_of(R"({"a)"), "f: header: a string has no end at byte 3"},
  };
  for (const BadFile& file : files) EXPECT_EQ(verdict(file.bytes), file.message) << file.what;
  EXPECT_GE(std::size(files), 45u);
}

TEST(SafetensorsHostile, SixBitTypesOpenThoughNothingDecodesThem) {
  EXPECT_EQ(
      verdict(file_of(
          R"({"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]},"b":{"dtype":"F6_E3M2","shape":[2,4],"data_offsets":[3,9]}})",
          "123456789")),
      "no error");
}

TEST(SafetensorsHostile, UnknownFieldsAreSkipped) {
  EXPECT_EQ(
      verdict(file_of(
          R"({"a":{"x":[{"y":[1,-2.5e+7,true,false,null,"s\u00e9\ud83d\ude00\b\f\n\r\t\/\\\""]},{}],"dtype":"U8","shape":[1],"data_offsets":[0,1]}}  )",
          "x")),
      "no error");
}

TEST(SafetensorsHostile, TruncationAtEveryByteIsAnError) {
  const std::string whole = fixture_bytes("all_types.safetensors");
  ASSERT_EQ(verdict(whole), "no error");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    ASSERT_NE(verdict(std::string_view(whole).substr(0, n)), "no error") << n;
  }
  EXPECT_NE(verdict(whole + "x"), "no error");
}

TEST(SafetensorsHostile, EveryByteChangedIsAnErrorOrAFile) {
  const std::string whole = fixture_bytes("all_types.safetensors");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int bits : {0x01, 0x20, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ bits);
      verdict(changed);  // whatever it says, it says it as an Error
    }
  }
}

}  // namespace
}  // namespace tashika
