#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/json.h"

namespace tashika {
namespace {

constexpr std::size_t index_from = 16;  // smaller objects are searched from the front
constexpr std::uint32_t empty_slot = 0xFFFFFFFF;

// SipHash-1-3 (Aumasson and Bernstein 2012): keys come from files and requests, and a hash without
// a key lets their author make every lookup walk the whole table.
std::uint64_t siphash(std::string_view data, std::uint64_t k0, std::uint64_t k1) {
  std::uint64_t a = k0 ^ 0x736f6d6570736575, b = k1 ^ 0x646f72616e646f6d;
  std::uint64_t c = k0 ^ 0x6c7967656e657261, d = k1 ^ 0x7465646279746573;
  const auto round = [&] {
    a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16) ^ c;
    a += d, d = std::rotl(d, 21) ^ a;
    c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
  };
  std::size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data() + i, 8);
    d ^= word;
    round();
    a ^= word;
  }
  std::uint64_t last = static_cast<std::uint64_t>(data.size()) << 56;
  for (std::size_t j = 0; i + j < data.size(); ++j) {
    last |= static_cast<std::uint64_t>(static_cast<unsigned char>(data[i + j])) << (8 * j);
  }
  d ^= last;
  round();
  a ^= last;
  c ^= 0xff;
  round();
  round();
  round();
  return a ^ b ^ c ^ d;
}

}  // namespace

struct JsonObject::Impl {
  std::vector<Entry> entries;
  std::vector<std::uint32_t> slots;  // open addressing, a power of two, at most half full; empty while small

  // The address is the hash's key: it differs between objects and, by ASLR, between runs.
  std::size_t slot_of(std::string_view key) const {
    const auto secret = reinterpret_cast<std::uintptr_t>(this);
    return siphash(key, secret, ~secret * 0x9E3779B97F4A7C15) & (slots.size() - 1);
  }

  std::size_t find(std::string_view key) const {
    if (slots.empty()) {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].first == key) return i;
      }
      return entries.size();
    }
    for (std::size_t slot = slot_of(key); slots[slot] != empty_slot; slot = (slot + 1) & (slots.size() - 1)) {
      if (entries[slots[slot]].first == key) return slots[slot];
    }
    return entries.size();
  }

  void place(std::size_t entry) {
    std::size_t slot = slot_of(entries[entry].first);
    while (slots[slot] != empty_slot) slot = (slot + 1) & (slots.size() - 1);
    slots[slot] = static_cast<std::uint32_t>(entry);
  }

  void reindex() {
    slots.clear();
    if (entries.size() < index_from) return;
    slots.assign(std::bit_ceil(entries.size() * 4), empty_slot);
    for (std::size_t i = 0; i < entries.size(); ++i) place(i);
  }

  Json& insert(std::string_view key) {
    if (entries.size() >= empty_slot) fail_with(ErrorKind::limit, "a JSON object has more than 2^32 keys");
    entries.emplace_back(std::string(key), Json());
    if (entries.size() < index_from || entries.size() * 2 > slots.size()) {
      reindex();
    } else {
      place(entries.size() - 1);
    }
    return entries.back().second;
  }
};

JsonObject::JsonObject() = default;
JsonObject::JsonObject(JsonObject&& other) noexcept = default;
JsonObject::~JsonObject() = default;

JsonObject::JsonObject(const JsonObject& other) {
  if (!other.impl_) return;
  impl_ = std::make_unique<Impl>();
  impl_->entries = other.impl_->entries;
  impl_->reindex();
}

JsonObject& JsonObject::operator=(JsonObject other) noexcept {
  impl_.swap(other.impl_);
  return *this;
}

std::size_t JsonObject::size() const {
  return impl_ ? impl_->entries.size() : 0;
}

const Json* JsonObject::find(std::string_view key) const {
  if (!impl_) return nullptr;
  const std::size_t i = impl_->find(key);
  return i < impl_->entries.size() ? &impl_->entries[i].second : nullptr;
}

Json* JsonObject::find(std::string_view key) {
  return const_cast<Json*>(std::as_const(*this).find(key));
}

Json& JsonObject::operator[](std::string_view key) {
  if (!impl_) impl_ = std::make_unique<Impl>();
  if (Json* found = find(key)) return *found;
  return impl_->insert(key);
}

bool JsonObject::erase(std::string_view key) {
  if (!impl_) return false;
  const std::size_t i = impl_->find(key);
  if (i == impl_->entries.size()) return false;
  impl_->entries.erase(impl_->entries.begin() + static_cast<std::ptrdiff_t>(i));
  impl_->reindex();
  return true;
}

const std::vector<JsonObject::Entry>& JsonObject::entries() const {
  static const std::vector<Entry> none;
  return impl_ ? impl_->entries : none;
}

std::vector<JsonObject::Entry>& JsonObject::entries() {
  if (!impl_) impl_ = std::make_unique<Impl>();
  return impl_->entries;
}

}  // namespace tashika
