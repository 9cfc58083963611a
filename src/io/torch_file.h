// Tensors of a file that torch.save wrote (.pth, .pt, .bin): a ZIP archive of a pickle and of storages.
//
// Nothing in it is run: see io/pickle.h for what the pickle may say. Tensors are views of the mapped storages. Files of
// torch before 1.6 (no archive) and of big-endian machines are errors that say so.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "io/weight_table.h"

namespace tashika {

class TorchFile final : public WeightTable {
 public:
  static std::unique_ptr<TorchFile> open(const std::string& path);
  // Bytes in memory; `owner` keeps them alive, `what` names them in messages.
  static std::unique_ptr<TorchFile> parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string what);

  // {"tensors": {name: shape}}: all that such a file tells of its model.
  Metadata metadata() const;

 private:
  TorchFile() = default;
};

}  // namespace tashika
