// The contract between ops/ and the backends.
//
// An op has an id and, when it has attributes, a plain struct for them (backend/contract/*.h). A
// backend is a list of kernel records; whether it can run an op is asked of the records and of
// nothing else. ops/ checks shapes, allocates the outputs and calls `launch`; a fused op without a
// kernel that accepts the call is composed from primitives. `ref` has a record for every primitive;
// a new backend starts there.
//
// Rules for kernels:
//  * Inputs keep their strides; a kernel's `accepts` says which layouts it takes. Outputs are
//    contiguous and never alias inputs unless the contract says so.
//  * No exceptions, no allocation by malloc in the hot path: temporaries come from Scratch.
//  * A row's reduction order depends neither on how many rows, threads or chunks surround it nor on
//    the alignment of its memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/runtime.h"
#include "tensor/tensor.h"

namespace tashika {

// Identity of an op: the address counts, the name is for people.
struct OpId {
  std::string_view name;
};

struct Call {
  Runtime& rt;
  std::span<const Tensor> in;  // optional inputs may be undefined tensors
  std::span<Tensor> out;       // allocated, contiguous
  const void* attrs;           // the struct of the op's contract header, or null

  template <typename T>
  const T& attr() const {
    return *static_cast<const T*>(attrs);
  }
};

struct Kernel {
  const OpId* op;
  bool (*accepts)(const Call&);  // null: every call that passed the op's own checks
  void (*run)(const Call&);
  std::string_view note = {};    // "avx512vnni q4_k": for profiles and `show`
};

// What one file of a backend defines: its kernels, best first.
using KernelList = std::span<const Kernel>;
struct KernelFile {
  KernelList kernels;
};

class KernelTable {
 public:
  // Earlier files and earlier records win. `page_bytes` rules: see contract/attention.h.
  explicit KernelTable(std::span<const KernelFile* const> files, std::string_view isa = {});

  // The first record of the op that accepts the call; null when there is none.
  const Kernel* find(const OpId& op, const Call& call) const;
  bool has(const OpId& op) const;
  std::span<const Kernel> all() const { return kernels_; }
  std::string_view isa() const { return isa_; }

 private:
  std::vector<Kernel> kernels_;  // grouped by op
  struct Range {
    const OpId* op;
    std::uint32_t begin, end;
  };
  std::vector<Range> ranges_;  // open addressing by the op's address
  std::string_view isa_;
};

}  // namespace tashika
