#include <cstdlib>

#include "base/error.h"
#include "cpu/support.h"

namespace tashika {
namespace {

std::string message(std::string_view isa) {
  try {
    cpu::cpu_kernels(isa);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    return e.message();
  }
  return {};
}

TEST(Isa, ScalarIsAlwaysThere) {
  const auto all = cpu::available_isas();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.front(), "scalar");
  for (const auto isa : all) EXPECT_EQ(cpu::cpu_kernels(isa)->isa(), isa);
}

TEST(Isa, UnknownIsAnError) {
  EXPECT_EQ(message("sse9"), "instruction set 'sse9' is unknown; the sets are scalar, avx2, avx512, avx512vnni");
}

TEST(Isa, UnavailableIsAnError) {
  if (cpu::available_isas().size() < 4) {
    EXPECT_NE(message("avx512vnni").find("this machine cannot run it; it has scalar"), std::string::npos);
  } else {
    EXPECT_EQ(message("avx512vnni"), "");
  }
}

TEST(Isa, TheEnvironmentDecidesWhenNothingIsAsked) {
  const char* before = std::getenv("TASHIKA_ISA");
  const std::string saved = before != nullptr ? before : "";
  ::setenv("TASHIKA_ISA", "scalar", 1);
  EXPECT_EQ(cpu::cpu_kernels()->isa(), "scalar");
  ::setenv("TASHIKA_ISA", "mmx", 1);
  EXPECT_NE(message("").find("TASHIKA_ISA='mmx' is unknown"), std::string::npos);
  ::unsetenv("TASHIKA_ISA");
  EXPECT_EQ(cpu::cpu_kernels()->isa(), cpu::available_isas().back());
  if (before != nullptr) ::setenv("TASHIKA_ISA", saved.c_str(), 1);
}

}  // namespace
}  // namespace tashika
