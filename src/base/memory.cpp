#include "base/memory.h"

#include <sys/mman.h>

#include <cstdlib>

namespace tashika {

void* allocate_memory(std::int64_t bytes) {
  constexpr std::int64_t huge = std::int64_t{2} << 20;
  const std::int64_t alignment = bytes >= 2 * huge ? huge : 64;
  const std::int64_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(static_cast<std::size_t>(alignment), static_cast<std::size_t>(rounded));
#ifdef MADV_HUGEPAGE
  if (memory != nullptr && alignment == huge) ::madvise(memory, static_cast<std::size_t>(rounded), MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace tashika
