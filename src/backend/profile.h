// Where time goes: one row per kernel, filled by ops/launch when a Runtime has a profiler.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace tashika {

struct ProfileRow {
  std::string name;  // op, and the kernel's note when it has one
  std::int64_t calls = 0;
  double seconds = 0;
  std::int64_t bytes = 0;  // of the inputs and outputs, as stored
  double flops = 0;        // multiply-adds of matrix products, twice
};

class Profiler {
 public:
  virtual ~Profiler() = default;
  virtual void run(const Kernel& kernel, const Call& call);  // runs the kernel and books it
  void planned(const OpId& op, const Call& call);            // books a call on a meta runtime
  std::vector<ProfileRow> rows() const { return rows_; }  // in order of first use
  void clear() { rows_.clear(); }

 private:
  ProfileRow& row(std::string_view op, std::string_view note, const Call& call);
  std::vector<ProfileRow> rows_;
};

}  // namespace tashika
