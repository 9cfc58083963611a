#include "backend/profile.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

#include "backend/contract/matmul.h"

namespace tashika {
namespace {

double flops(const OpId& op, const Call& call) {
  if (&op == &linear_op) {
    double n = 0;
    for (std::size_t i = 1; i + 2 < call.in.size(); i += 3) n += static_cast<double>(call.in[i].numel());
    return 2.0 * n * static_cast<double>(call.in[0].size(0));
  }
  if (&op == &matmul_op) return 2.0 * static_cast<double>(call.in[0].numel()) * static_cast<double>(call.in[1].size(-1));
  if (&op == &experts_op && call.in.size() > 5) {
    const double expert = static_cast<double>(call.in[3].numel() + call.in[4].numel() + call.in[5].numel());
    return 2.0 * expert * static_cast<double>(call.in[1].numel());
  }
  return 0;
}

}  // namespace

ProfileRow& Profiler::row(std::string_view op, std::string_view note, const Call& call) {
  const std::string name = note.empty() ? std::string(op) : cat(op, " ", note);
  auto it = std::ranges::find(rows_, name, &ProfileRow::name);
  if (it == rows_.end()) it = rows_.insert(rows_.end(), ProfileRow{name});
  it->calls++;
  for (const Tensor& t : call.in) it->bytes += t.defined() ? t.nbytes() : 0;
  for (const Tensor& t : call.out) it->bytes += t.nbytes();
  return *it;
}

void Profiler::run(const Kernel& kernel, const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  kernel.run(call);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  ProfileRow& entry = row(kernel.op->name, kernel.note, call);
  entry.seconds += elapsed.count();
  entry.flops += flops(*kernel.op, call);
}

void Profiler::planned(const OpId& op, const Call& call) { row(op.name, {}, call).flops += flops(op, call); }

}  // namespace tashika
