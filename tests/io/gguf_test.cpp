#include "io/gguf.h"

#include <cmath>

#include "io/gguf_write.h"
#include "quant/formats.h"
#include "support.h"

namespace tashika {
namespace {

using GgufFile = TemporaryFolder;

TEST(Gguf, ReadsEveryValueTypeThatGgufPyWrites) {
  const auto file = Gguf::open(fixture("all_types.gguf"));
  const Metadata metadata = file->metadata();
  EXPECT_EQ(metadata.format, Metadata::Format::gguf);
  const Json& v = metadata.values;
  EXPECT_EQ(v["general.architecture"].as_string(), "llama");
  EXPECT_EQ(v["t.u8"].as_integer(), 200);
  EXPECT_EQ(v["t.i8"].as_integer(), -100);
  EXPECT_EQ(v["t.u16"].as_integer(), 60000);
  EXPECT_EQ(v["t.i16"].as_integer(), -30000);
  EXPECT_EQ(v["t.u32"].as_integer(), 4000000000);
  EXPECT_EQ(v["t.i32"].as_integer(), -2000000000);
  EXPECT_EQ(v["t.f32"].as_double(), static_cast<double>(0.1f));
  EXPECT_TRUE(v["t.true"].as_bool());
  EXPECT_FALSE(v["t.false"].as_bool());
  EXPECT_EQ(v["t.text"].as_string(), "Zoë 日本");
  EXPECT_EQ(v["t.u64"].as_double(), std::ldexp(1.0, 63) + 5);
  EXPECT_EQ(v["t.i64"].as_integer(), -(std::int64_t{1} << 62));
  EXPECT_EQ(v["t.f64"].as_double(), 1e-300);
  EXPECT_EQ(dump_json(v["t.ints"]), "[1,-2,3]");
  EXPECT_EQ(dump_json(v["t.floats"]), "[0.5,-1.5]");
  EXPECT_EQ(dump_json(v["t.bools"]), "[true,false,true]");
  EXPECT_EQ(dump_json(v["t.texts"]), R"(["a","","b c"])");
  EXPECT_EQ(v.find("t.long"), nullptr);  // too long for the metadata, not for the accessor
  const auto longest = file->integers("t.long");
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->size(), 5000u);
  EXPECT_EQ(longest->back(), 4999);
  EXPECT_EQ(*file->floats("t.floats"), (std::vector<float>{0.5f, -1.5f}));
  EXPECT_EQ(*file->texts("t.texts"), (std::vector<std::string_view>{"a", "", "b c"}));
  EXPECT_FALSE(file->texts("none"));
  EXPECT_EQ(file->field("t.u8")->type, GgufType::uint8);
  const std::string origin = fixture("all_types.gguf");
  EXPECT_EQ(message_of([&] { file->texts("t.ints"); }), origin + ": t.ints should hold strings, holds i32");
  EXPECT_EQ(message_of([&] { file->floats("t.u8"); }), origin + ": t.u8 should be an array, is one u8");
  EXPECT_EQ(message_of([&] { file->floats("t.ints"); }), origin + ": t.ints should hold floats, holds i32");
  EXPECT_EQ(message_of([&] { file->integers("t.texts"); }),
            origin + ": t.texts should hold integers below 2^63, holds string");
}

TEST(Gguf, ReadsTensorsOutermostDimensionFirst) {
  HostRuntime host;
  const auto file = Gguf::open(fixture("all_types.gguf"));
  ASSERT_EQ(file->list().size(), 5u);
  EXPECT_EQ(file->list()[0].name, "f32.weight");
  const Tensor plain = file->load("f32.weight", host.runtime);
  EXPECT_EQ(plain.shape(), (Shape{2, 3}));
  EXPECT_EQ(plain.to_host(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(file->find("f16.weight")->shape, (Shape{5, 8}));
  EXPECT_EQ(file->load("f16.weight", host.runtime).to_host()[39], 39.0f);
  EXPECT_EQ(file->find("q8.weight")->dtype, find_dtype("q8_0"));
  EXPECT_EQ(file->find("q8.weight")->shape, (Shape{2, 256}));
  const auto ramp = file->load("q8.weight", host.runtime).to_host();
  for (std::size_t i = 0; i < ramp.size(); ++i)
    EXPECT_NEAR(ramp[i], -1.0 + 2.0 * static_cast<double>(i) / 511.0, 0.005);
  EXPECT_EQ(file->find("q4k.weight")->shape, (Shape{1, 256}));
  EXPECT_EQ(file->load("i32.weight", host.runtime).to_host_int(), (std::vector<std::int64_t>{-2, -1, 0, 1, 2}));
  EXPECT_EQ(host.runtime.memory().live, 0);  // views, no copies
}

std::vector<WeightInfo> two_tensors() {
  return {{"a", f32, Shape{2, 4}}, {"b", find_dtype("q8_0"), Shape{32}}};
}

TEST_F(GgufFile, WritesWhatItReads) {
  HostRuntime host;
  const auto source = Gguf::open(fixture("all_types.gguf"));
  GgufFields fields;
  for (const GgufField& field : source->fields()) fields.add(field);
  fields.add<std::uint32_t>("general.alignment", 64);
  fields.remove("t.long");
  GgufWriter writer(at("copy.gguf"), fields, source->list());
  for (std::size_t i = 0; i < source->list().size(); ++i) {
    const auto bytes = source->bytes(i);
    writer.write(bytes.first(bytes.size() / 2));
    writer.write(bytes.subspan(bytes.size() / 2));
  }
  writer.commit();
  const auto copy = Gguf::open(at("copy.gguf"));
  EXPECT_EQ(copy->alignment(), 64u);
  EXPECT_EQ(copy->fields().size(), source->fields().size());
  for (const WeightInfo& info : source->list()) {
    const Tensor a = source->load(info.name, host.runtime);
    const Tensor b = copy->load(info.name, host.runtime);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.bytes().data()) % 64, 0u);
    EXPECT_EQ(a.shape(), b.shape());
    EXPECT_EQ(a.to_host(), b.to_host());
  }
  for (const GgufField& field : source->fields()) {
    if (field.key == "t.long") continue;
    const GgufField* other = copy->field(field.key);
    ASSERT_NE(other, nullptr) << field.key;
    EXPECT_TRUE(std::equal(field.bytes.begin(), field.bytes.end(), other->bytes.begin(), other->bytes.end()))
        << field.key;
  }
}

TEST_F(GgufFile, FieldsOfEveryTypeRoundTrip) {
  GgufFields fields;
  fields.add("b", true);
  fields.add<std::int8_t>("i8", -1);
  fields.add<std::uint16_t>("u16", 65535);
  fields.add<std::int64_t>("i64", INT64_MIN);
  fields.add<double>("f64", 0.1);
  fields.add("b", false);  // replaces
  fields.add_text("text", "x");
  const float floats[] = {1, 2};
  fields.add_array("floats", std::span<const float>(floats));
  const std::string_view texts[] = {"p", "\xff"};
  fields.add_texts("texts", texts);
  const std::string bytes = gguf_header(fields, {});
  const auto file = Gguf::parse(as_bytes(bytes), nullptr, "f");
  EXPECT_EQ(dump_json(file->metadata().values),
            "{\"b\":false,\"i8\":-1,\"u16\":65535,\"i64\":-9223372036854775808,\"f64\":0.1,\"text\":\"x\",\"floats\":["
            "1.0,2.0],"
            "\"texts\":[\"p\",\"\xEF\xBF\xBD\"]}");
  EXPECT_EQ((*file->texts("texts"))[1], "\xff");
}

TEST_F(GgufFile, ImpossibleSavesAreRefused) {
  const GgufFields fields;
  const auto refuse = [&](WeightInfo info) { return message_of([&] { gguf_header(fields, {info}); }); };
  EXPECT_EQ(refuse({"t", boolean, Shape{2}}), "GGUF has no type for bool (tensor \"t\")");
  EXPECT_EQ(refuse({"t", f32, Shape{1, 1, 1, 1, 1}}), "GGUF cannot hold tensor \"t\" of more than four dimensions");
  EXPECT_EQ(refuse({"t", f32, Shape{0}}), "GGUF cannot hold tensor \"t\" of shape [0]");
  EXPECT_EQ(refuse({"", f32, Shape{1}}), "GGUF cannot hold a tensor without a name");
  EXPECT_EQ(refuse({"t", find_dtype("q4_k"), Shape{255}}),
            "tensor \"t\" of shape [255] has rows of broken q4_k blocks");
  EXPECT_EQ(message_of([&] {
              gguf_header(fields, {{"t", f32, Shape{1}}, {"t", f32, Shape{1}}});
            }),
            "cannot save two tensors named \"t\"");
  EXPECT_THROW(GgufWriter(at("x"), fields, two_tensors()).commit(), Error);
  GgufFields odd;
  odd.add<std::uint32_t>("general.alignment", 3);
  EXPECT_THROW(gguf_header(odd, {}), Error);
  EXPECT_TRUE(list_directory(folder).empty());
}

// --- split files ---------------------------------------------------------------------------------------------------

class GgufSplit : public TemporaryFolder {
 protected:
  void write_part(std::string_view name, int number, int count, std::string_view tensor, int total, bool facts) {
    GgufFields fields;
    if (facts) fields.add_text("general.architecture", "llama");
    fields.add<std::uint16_t>("split.no", static_cast<std::uint16_t>(number));
    fields.add<std::uint16_t>("split.count", static_cast<std::uint16_t>(count));
    fields.add<std::int32_t>("split.tensors.count", total);
    GgufWriter writer(at(name), fields, {{std::string(tensor), f32, Shape{2}}});
    const float values[2] = {static_cast<float>(number), 0.5f};
    writer.write(std::as_bytes(std::span(values)));
    writer.commit();
  }
  std::string verdict(std::string_view name) {
    std::string message = message_of([&] { Gguf::open(at(name)); });
    if (message.starts_with(folder)) message.erase(0, folder.size() + 1);
    return message;
  }
};

TEST_F(GgufSplit, AnyPartOpensTheWhole) {
  HostRuntime host;
  for (int i = 0; i < 3; ++i) {
    write_part(cat("m-0000", i + 1, "-of-00003.gguf"), i, 3, cat("t", i), 3, i == 0);
  }
  for (const char* name : {"m-00001-of-00003.gguf", "m-00003-of-00003.gguf"}) {
    const auto file = Gguf::open(at(name));
    EXPECT_EQ(file->list().size(), 3u);
    EXPECT_EQ(file->metadata().values["general.architecture"].as_string(), "llama");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(file->load(cat("t", i), host.runtime).to_host()[0], static_cast<float>(i));
    EXPECT_EQ(file->origin(), at("m-00001-of-00003.gguf"));
  }
}

TEST_F(GgufSplit, MissingOrForeignPartsAreErrors) {
  write_part("m-00001-of-00002.gguf", 0, 2, "a", 2, true);
  EXPECT_EQ(verdict("m-00001-of-00002.gguf"), "m-00002-of-00002.gguf: cannot open: No such file or directory");
  write_part("m-00002-of-00002.gguf", 0, 2, "b", 2, false);
  EXPECT_EQ(verdict("m-00001-of-00002.gguf"),
            "m-00002-of-00002.gguf: its split.no and split.count do not say part 2 of 2");
  write_part("m-00002-of-00002.gguf", 1, 2, "a", 2, false);
  EXPECT_EQ(verdict("m-00001-of-00002.gguf"), "m-00001-of-00002.gguf: tensor \"a\" appears twice");
  write_part("m-00001-of-00002.gguf", 0, 2, "b", 5, true);
  EXPECT_EQ(verdict("m-00001-of-00002.gguf"),
            "m-00001-of-00002.gguf: split.tensors.count is 5, the parts hold 2 tensors");
  write_part("renamed.gguf", 0, 2, "a", 2, true);
  EXPECT_EQ(verdict("renamed.gguf"),
            "renamed.gguf: is the first of 2 parts, so its name must end as the splitting tool wrote it, in "
            "\"-00001-of-00002.gguf\"");
  write_part("alone-00002-of-00002.gguf", 1, 2, "a", 2, false);
  EXPECT_EQ(verdict("alone-00002-of-00002.gguf"),
            "alone-00002-of-00002.gguf: is part 2 of 2; part 1 must lie beside it");
}

}  // namespace
}  // namespace tashika
