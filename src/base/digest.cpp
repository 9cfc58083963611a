#include "base/digest.h"

#include <openssl/evp.h>

#include "base/error.h"
#include "base/file.h"

namespace tashika {

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  check(impl_->context && EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) == 1, "SHA-256 is not available");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1, "SHA-256 update");
}

std::string Sha256::finish() {
  unsigned char digest[32];
  check(EVP_DigestFinal_ex(impl_->context, digest, nullptr) == 1, "SHA-256 finish");
  std::string out;
  for (const unsigned char byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish();
}

std::string sha256_file(const std::string& path) {
  const auto file = MappedFile::open(path);
  file->advise(MappedFile::Advice::sequential, 0, file->bytes().size());
  return sha256(file->bytes());
}

}  // namespace tashika
