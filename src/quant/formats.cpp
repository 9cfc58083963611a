#include "quant/formats.h"

#include <algorithm>

namespace tashika {

namespace {

template <typename Predicate>
DType find(const Predicate& matches) {
  for (const auto list : {plain_dtypes(), quant_formats()}) {
    for (const DTypeInfo* info : list) {
      if (matches(*info)) return *info;
    }
  }
  return {};
}

}  // namespace

const WeightedEncoder* find_weighted_encoder(DType type) {
  for (const WeightedEncoder* encoder : weighted_encoders()) {
    if (encoder->type == &*type) return encoder;
  }
  return nullptr;
}

DType find_dtype(std::string_view name) {
  return find([name](const DTypeInfo& info) { return info.name == name; });
}

DType find_gguf_dtype(std::int64_t id) {
  if (id < 0) return {};
  return find([id](const DTypeInfo& info) { return info.gguf_id == id; });
}

DType find_safetensors_dtype(std::string_view name) {
  if (name.empty()) return {};
  return find([name](const DTypeInfo& info) { return info.safetensors_name == name; });
}

std::string gguf_dtype_names() {
  std::string out;
  for (const auto list : {plain_dtypes(), quant_formats()}) {
    for (const DTypeInfo* info : list) {
      if (info->gguf_id < 0) continue;
      if (!out.empty()) out += ", ";
      out += info->name;
    }
  }
  return out;
}

}  // namespace tashika
