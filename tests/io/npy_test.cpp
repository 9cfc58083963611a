#include "io/npy.h"

#include "support.h"

namespace tashika {
namespace {

using NpyFile = TemporaryFolder;

TEST(Npy, ReadsWhatNumpyWrites) {
  const NpyArray floats = read_npy(fixture("f32.npy"));
  EXPECT_EQ(floats.dtype, DType(f32));
  EXPECT_EQ(floats.shape, (Shape{2, 3}));
  EXPECT_EQ(floats.floats(), (std::vector<float>{0, 0.25f, 0.5f, 0.75f, 1, 1.25f}));
  const NpyArray integers = read_npy(fixture("i64.npy"));
  EXPECT_EQ(integers.dtype, DType(i64));
  EXPECT_EQ(integers.floats(), (std::vector<float>{1, -2, 1099511627776.0f}));
  const NpyArray scalar = read_npy(fixture("scalar.npy"));
  EXPECT_EQ(scalar.shape.rank(), 0);
  EXPECT_EQ(scalar.floats(), std::vector<float>{2.5f});
  EXPECT_EQ(message_of([] { read_npy(fixture("fortran.npy")); }),
            fixture("fortran.npy") + ": is in Fortran order; save it with numpy.ascontiguousarray");
}

TEST_F(NpyFile, WritesTheBytesThatNumpyWrites) {
  for (const char* name : {"f32.npy", "i64.npy", "scalar.npy"}) {
    const NpyArray array = read_npy(fixture(name));
    write_npy(at(name), array.dtype, array.shape, array.bytes);
    EXPECT_EQ(read_file(at(name), 1 << 20), fixture_bytes(name)) << name;
  }
  const float values[] = {1, 2, 3};
  write_npy(at("x.npy"), Shape{3, 1}, values);
  EXPECT_EQ(read_npy(at("x.npy")).floats(), (std::vector<float>{1, 2, 3}));
}

std::string file_of(std::string_view text, std::string_view data = {}) {
  return std::string("\x93NUMPY\x01\x00", 8) + le(static_cast<std::uint16_t>(text.size())) + std::string(text) +
         std::string(data);
}

std::string verdict(std::string_view bytes) {
  return message_of([&] { parse_npy(as_bytes(*shared_copy(bytes)), "f"); });
}

TEST(NpyHostile, EveryMalformationHasItsMessage) {
  const std::pair<std::string, std::string> files[] = {
      {"", "f: is no .npy file"},
      {"\x93NUMPZ\x01", "f: is no .npy file"},
      {std::string("\x93NUMPY\x04\x00", 8), "f: .npy version 4 is not supported"},
      {std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12),
       "f: header length at byte 8: is 4294967295, more than 65536"},
      {file_of("{'descr': '<f4'").substr(0, 20), "f: header at byte 10: needs 15 bytes, 10 remain"},
      {file_of("{'descr': '<f4'"), "f: has a damaged .npy header at byte 15 of it"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", "12345678"), "no error"},
      {file_of("{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}"), "f: has the unsupported element type '>f4'"},
      {file_of("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"), "f: has the unsupported element type '|O'"},
      {file_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"),
       "f: has a damaged .npy header at byte 10 of it"},
      {file_of("{'descr': '<f4', 'descr': '<f4'}"), "f: has a damaged .npy header at byte 25 of it"},
      {file_of("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}"),
       "f: has a damaged .npy header at byte 34 of it"},
      {file_of("{'descr': '<f4', 'fortran_order': False}"), "f: has a damaged .npy header at byte 40 of it"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}"),
       "f: has a damaged .npy header at byte 51 of it"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"),
       "f: has a damaged .npy header at byte 69 of it"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1)}"),
       "tensors have at most 6 dimensions"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4)}", "1234"),
       "f: f32[4611686018427387905, 4] does not match the 4 bytes of data"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "1234567"),
       "f: f32[2] does not match the 7 bytes of data"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "12345"),
       "f: f32[1] does not match the 5 bytes of data"},
  };
  for (const auto& [bytes, message] : files) EXPECT_EQ(verdict(bytes), message) << bytes;
}

TEST(NpyHostile, TruncationAtEveryByteIsAnError) {
  const std::string whole = fixture_bytes("f32.npy");
  for (std::size_t n = 0; n < whole.size(); ++n)
    ASSERT_NE(verdict(std::string_view(whole).substr(0, n)), "no error") << n;
}

}  // namespace
}  // namespace tashika
