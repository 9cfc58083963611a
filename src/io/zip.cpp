#include "io/zip.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/reader.h"

namespace tashika {
namespace {

constexpr std::uint32_t local_magic = 0x04034b50, directory_magic = 0x02014b50, end_magic = 0x06054b50;
constexpr std::uint32_t end64_magic = 0x06064b50, locator_magic = 0x07064b50;
constexpr std::uint64_t end_size = 22, locator_size = 20, directory_entry_size = 46, local_size = 30;

struct Directory {
  std::uint64_t offset = 0, size = 0, count = 0;
};

ByteReader reader_at(std::span<const std::byte> bytes, std::uint64_t offset, const std::string& what, std::string_view field) {
  ByteReader r(bytes, what);
  r.take(offset, field);
  return r;
}

std::uint32_t magic_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  std::uint32_t m;
  std::memcpy(&m, bytes.data() + offset, sizeof m);
  return m;
}

// The end record lies last, behind it a comment of at most 65535 bytes.
std::uint64_t find_end(std::span<const std::byte> bytes, const std::string& what) {
  if (bytes.size() < end_size) fail(what, ": too short for a ZIP archive (", bytes.size(), " bytes)");
  const std::uint64_t last = bytes.size() - end_size, first = last > 65535 ? last - 65535 : 0;
  for (std::uint64_t at = last + 1; at-- > first;) {
    if (magic_at(bytes, at) == end_magic) return at;
  }
  fail(what, ": no end record of a ZIP archive: the file is cut off or no such archive");
}

Directory read_end(std::span<const std::byte> bytes, const std::string& what) {
  const std::uint64_t end = find_end(bytes, what);
  ByteReader r = reader_at(bytes, end + 4, what, "ZIP end record");
  const auto disk = r.read<std::uint16_t>("ZIP disk number"), first_disk = r.read<std::uint16_t>("ZIP directory's disk");
  if ((disk != 0 && disk != 0xffff) || (first_disk != 0 && first_disk != 0xffff)) fail(what, ": a ZIP archive in several parts is not supported");
  r.take(2, "ZIP entries here");
  Directory d;
  d.count = r.read<std::uint16_t>("ZIP entries");
  d.size = r.read<std::uint32_t>("ZIP directory size");
  d.offset = r.read<std::uint32_t>("ZIP directory offset");
  if (end >= locator_size && magic_at(bytes, end - locator_size) == locator_magic) {
    ByteReader locator = reader_at(bytes, end - locator_size + 8, what, "ZIP64 locator");
    const auto at = locator.read<std::uint64_t>("ZIP64 end record offset");
    if (at > end) fail(what, ": ZIP64 end record at byte ", at, " lies outside the archive");
    ByteReader big = reader_at(bytes, at, what, "ZIP64 end record");
    if (big.read<std::uint32_t>("ZIP64 end record") != end64_magic) fail(what, ": no ZIP64 end record at byte ", at);
    big.take(28, "ZIP64 end record");
    d.count = big.read<std::uint64_t>("ZIP64 entries");
    d.size = big.read<std::uint64_t>("ZIP64 directory size");
    d.offset = big.read<std::uint64_t>("ZIP64 directory offset");
  }
  const auto stop = checked_add(d.offset, d.size);
  if (!stop || *stop > bytes.size()) fail(what, ": ZIP directory of ", d.size, " bytes at byte ", d.offset, " lies outside the file");
  return d;
}

struct Range {
  std::uint64_t compressed, size, offset;
};

// The 64-bit fields, in this order, of those that say 0xffffffff.
void read_extra(ByteReader extra, Range& range) {
  while (extra.remaining() >= 4) {
    const auto id = extra.read<std::uint16_t>("ZIP extra field"), size = extra.read<std::uint16_t>("ZIP extra field size");
    if (size > extra.remaining()) return;
    ByteReader field(extra.take(size, "ZIP extra field"), extra.what());
    if (id != 1) continue;
    for (std::uint64_t* value : {&range.size, &range.compressed, &range.offset}) {
      if (*value == 0xffffffff) *value = field.read<std::uint64_t>("ZIP64 size or offset");
    }
    return;
  }
}

}  // namespace

bool looks_like_zip(std::span<const std::byte> bytes) { return bytes.size() >= 4 && magic_at(bytes, 0) == local_magic; }

std::vector<ZipEntry> read_zip(std::span<const std::byte> bytes, const std::string& what) {
  const Directory d = read_end(bytes, what);
  ByteReader r = reader_at(bytes.first(static_cast<std::size_t>(d.offset + d.size)), d.offset, what, "ZIP directory");
  r.expect_items(d.count, directory_entry_size, "ZIP directory");
  std::vector<ZipEntry> out;
  out.reserve(static_cast<std::size_t>(d.count));
  for (std::uint64_t i = 0; i < d.count; ++i) {
    const std::uint64_t at = r.offset();
    if (r.read<std::uint32_t>("ZIP directory entry") != directory_magic) fail(what, ": no ZIP directory entry at byte ", at);
    r.take(4, "ZIP versions");
    const auto flags = r.read<std::uint16_t>("ZIP flags"), method = r.read<std::uint16_t>("ZIP method");
    r.take(8, "ZIP time and CRC");
    Range range{};
    range.compressed = r.read<std::uint32_t>("ZIP compressed size");
    range.size = r.read<std::uint32_t>("ZIP size");
    const auto name_size = r.read<std::uint16_t>("ZIP name size"), extra_size = r.read<std::uint16_t>("ZIP extra size"),
               comment_size = r.read<std::uint16_t>("ZIP comment size");
    r.take(8, "ZIP attributes");
    range.offset = r.read<std::uint32_t>("ZIP entry offset");
    ZipEntry entry;
    entry.name = std::string(r.take_text(name_size, "ZIP name"));
    read_extra(ByteReader(r.take(extra_size, "ZIP extra fields"), what), range);
    r.take(comment_size, "ZIP comment");
    if ((flags & 1) != 0) fail(what, ": entry \"", printable(entry.name), "\" is encrypted");
    if (method != 0 || range.compressed != range.size) fail(what, ": entry \"", printable(entry.name), "\" is compressed (method ", method, "), which is not supported");
    // Behind its own header, whose name and extra field may be of other lengths.
    ByteReader local = reader_at(bytes, std::min<std::uint64_t>(range.offset, bytes.size()), what, "ZIP entry");
    if (local.read<std::uint32_t>("ZIP entry header") != local_magic) fail(what, ": no ZIP entry at byte ", range.offset, " for \"", printable(entry.name), "\"");
    local.take(local_size - 8, "ZIP entry header");
    const auto local_name = local.read<std::uint16_t>("ZIP entry's name size"), local_extra = local.read<std::uint16_t>("ZIP entry's extra size");
    local.take(local_name, "ZIP entry's name");
    local.take(local_extra, "ZIP entry's extra field");
    entry.bytes = local.take(range.size, "ZIP entry's bytes");
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace tashika
