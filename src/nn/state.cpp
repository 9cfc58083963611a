#include "nn/state.h"

#include <algorithm>
#include <cstring>

#include "base/digest.h"
#include "base/error.h"
#include "ops/attention.h"
#include "ops/elementwise.h"

namespace tashika {
namespace {

std::int64_t page_count(std::int64_t positions) { return (positions + page_positions - 1) / page_positions; }

template <typename T>
void put(std::vector<std::byte>& out, const T& value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

std::span<const std::byte> take_bytes(std::span<const std::byte>& in, std::int64_t n) {
  if (n < 0 || static_cast<std::uint64_t>(n) > in.size()) fail("state snapshot: ", n, " bytes wanted, ", in.size(), " left");
  const auto out = in.first(static_cast<std::size_t>(n));
  in = in.subspan(static_cast<std::size_t>(n));
  return out;
}

template <typename T>
T take(std::span<const std::byte>& in) {
  T value;
  std::memcpy(&value, take_bytes(in, sizeof value).data(), sizeof value);
  return value;
}

// f32 rows to the cache's dtype and back: exact, because the rows came out of the cache.
void put_rows(std::vector<std::byte>& out, const Tensor& rows, DType dtype) {
  const std::vector<float> values = rows.to_host();
  const std::size_t at = out.size();
  out.resize(at + static_cast<std::size_t>(dtype.row_bytes(rows.numel())));
  dtype->encode(values.data(), out.data() + at, rows.numel());
}

Tensor take_rows(std::span<const std::byte>& in, Runtime& rt, const Shape& shape, DType dtype) {
  const auto bytes = take_bytes(in, dtype.row_bytes(shape.numel()));
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  dtype->decode(bytes.data(), values.data(), shape.numel());
  return Tensor::from_host(rt, shape, values);
}

// A kept state every so many positions: between them lie the inputs of the steps, which are smaller.
constexpr std::int64_t replay_stride = 32;

// A copy of rows [begin, end), so that the rest of the tensor need not be kept.
Tensor own_rows(const Tensor& t, std::int64_t begin, std::int64_t end) {
  const Tensor part = t.slice(0, begin, end);
  if (part.is_meta()) return part;
  const Tensor whole = ops::contiguous(part);
  return Tensor::from_bytes(part.runtime(), part.shape(), part.dtype(), whole.bytes());
}

}  // namespace

Page::Page(std::shared_ptr<PagePool> owner, std::int64_t bytes) : pool(std::move(owner)) {
  if (pool->budget_ > 0 && pool->live_ + bytes > pool->budget_) {
    fail_with(ErrorKind::limit, cat("the cache budget of ", pool->budget_, " bytes is used up: shorten the context or raise the budget"));
  }
  memory = pool->rt_.allocate(bytes);
  pool->live_ += bytes;
  if (memory->data() != nullptr) std::memset(memory->data(), 0, static_cast<std::size_t>(bytes));
}

Page::~Page() { pool->live_ -= memory->bytes(); }

PagedCache::PagedCache(std::shared_ptr<PagePool> pool, const KvLayout& layout, std::int64_t window, std::int64_t margin)
    : pool_(std::move(pool)), layout_(layout), window_(window), margin_(margin) {}

std::int64_t PagedCache::pages_held() const {
  return std::ranges::count_if(pages_, [](const auto& page) { return page != nullptr; });
}

void PagedCache::prepare(std::int64_t length, std::int64_t count) {
  if (count <= 0) return;
  if (window_ > 0) {
    // The oldest position that a query at length - margin still sees.
    const std::int64_t oldest = length - margin_ - window_ + 1;
    for (; freed_ < pages_.size() && static_cast<std::int64_t>(freed_ + 1) * page_positions <= oldest; ++freed_) {
      pages_[freed_] = nullptr;
      table_[freed_] = nullptr;
    }
  }
  const auto needed = static_cast<std::size_t>(page_count(length + count));
  if (needed > pages_.size()) {
    pages_.resize(needed);
    table_.resize(needed);
  }
  for (auto p = static_cast<std::size_t>(length / page_positions); p < needed; ++p) {
    if (pages_[p] == nullptr) {
      pages_[p] = std::make_shared<Page>(pool_, layout_.page_bytes());
    } else if (pages_[p].use_count() > 1) {
      auto own = std::make_shared<Page>(pool_, layout_.page_bytes());
      if (own->memory->data() != nullptr) {
        std::memcpy(own->memory->data(), pages_[p]->memory->data(), static_cast<std::size_t>(layout_.page_bytes()));
      }
      pool_->copied_++;
      pages_[p] = std::move(own);
    }
    table_[p] = pages_[p]->memory->data();
  }
}

std::int64_t PagedCache::first_position() const {
  return static_cast<std::int64_t>(freed_) * page_positions;
}

bool PagedCache::can_roll_back_to(std::int64_t length) const {
  return length >= 0 && (window_ == 0 || first_position() <= std::max<std::int64_t>(0, length - window_ + 1));
}

void PagedCache::rollback(std::int64_t length) {
  const auto keep = static_cast<std::size_t>(page_count(length));
  if (keep < pages_.size()) {
    pages_.resize(keep);
    table_.resize(keep);
  }
  freed_ = std::min(freed_, pages_.size());
}

std::unique_ptr<LayerState> PagedCache::fork() const { return std::make_unique<PagedCache>(*this); }

std::int64_t PagedCache::bytes() const { return pages_held() * layout_.page_bytes(); }

void PagedCache::save(std::int64_t length, std::vector<std::byte>& out) const {
  const std::int64_t begin = std::min(first_position(), length);
  put(out, begin);
  if (begin == length) return;
  const ops::KeysValues rows = ops::kv_gather(pool_->runtime(), layout_, table_.data(), begin, length);
  put_rows(out, rows.k, layout_.dtype);
  if (!layout_.v_in_k) put_rows(out, rows.v, layout_.dtype);
}

void PagedCache::load(std::int64_t length, std::span<const std::byte>& in) {
  const auto begin = take<std::int64_t>(in);
  if (begin < 0 || begin > length || begin % page_positions != 0) fail("state snapshot: bad first position ", begin);
  if (length - begin > static_cast<std::int64_t>(in.size())) fail("state snapshot: shorter than its ", length - begin, " positions");
  pages_.clear();
  table_.clear();
  freed_ = 0;
  if (begin == length) return;
  Runtime& rt = pool_->runtime();
  const std::int64_t rows = length - begin;
  const Tensor k = take_rows(in, rt, {rows, layout_.heads, layout_.k_dim}, layout_.dtype);
  const Tensor v = layout_.v_in_k ? Tensor{} : take_rows(in, rt, {rows, layout_.heads, layout_.v_dim}, layout_.dtype);
  pages_.resize(static_cast<std::size_t>(begin / page_positions));
  table_.resize(pages_.size());
  freed_ = pages_.size();
  prepare(begin, rows);
  const KvSegment segment{0, rows, begin, table_.data()};
  ops::kv_append(k, v, {layout_, {&segment, 1}});
}

RecurrentState::RecurrentState(std::vector<Tensor> initial, std::int64_t margin, Replay replay)
    : initial_(std::move(initial)), margin_(margin), replay_(std::move(replay)) {
  history_.push_back({0, initial_});
}

void RecurrentState::push(std::int64_t length, std::vector<Tensor> tensors, std::vector<Tensor> rows) {
  const Kept& before = pushed_.empty() ? history_.back() : pushed_.back();
  check(length > before.length, "recurrent states must ascend");
  if (!replay_ || margin_ == 0) {
    pushed_.push_back({length, std::move(tensors)});
    return;
  }
  const std::int64_t cut = length - margin_ - before.length;
  if (cut > 0) {  // of a long chunk only the end can be wanted again
    std::vector<Tensor> head, tail;
    for (const Tensor& r : rows) {
      head.push_back(r.slice(0, 0, cut));
      tail.push_back(own_rows(r, cut, length - before.length));
    }
    pushed_.push_back({before.length + cut, replay_(before.tensors, head)});
    rows = std::move(tail);
  }
  pushed_.push_back({length, std::move(tensors), std::move(rows)});
}

void RecurrentState::commit() {
  for (Kept& next : pushed_) keep(std::move(next));
  pushed_.clear();
  if (replay_) forget();
}

void RecurrentState::keep(Kept next) {
  if (!replay_) {
    history_.push_back(std::move(next));
    while (static_cast<std::int64_t>(history_.size()) > margin_ + 1) history_.pop_front();
    return;
  }
  if (next.rows.empty()) {
    history_.assign(1, std::move(next));
    return;
  }
  // The state that was current stays only if the one kept before it is far away.
  if (history_.size() > 1) {
    std::size_t base = history_.size() - 2;
    while (history_[base].tensors.empty()) --base;
    if (history_.back().length - history_[base].length < replay_stride) history_.back().tensors.clear();
  }
  history_.push_back(std::move(next));
}

// Drops what lies before the last state that is old enough for every rollback within the margin.
void RecurrentState::forget() {
  std::size_t first = 0;
  for (std::size_t i = 1; i < history_.size() && history_[i].length <= history_.back().length - margin_; ++i) {
    if (!history_[i].tensors.empty()) first = i;
  }
  history_.erase(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(first));
  history_.front().rows.clear();
}

bool RecurrentState::can_roll_back_to(std::int64_t length) const {
  if (length == 0) return true;
  if (replay_) return length >= history_.front().length && length <= history_.back().length;
  return std::ranges::any_of(history_, [&](const Kept& kept) { return kept.length == length; });
}

void RecurrentState::rollback(std::int64_t length) {
  if (length == history_.back().length) return;
  if (length == 0) {
    history_.assign(1, {0, initial_});
    return;
  }
  while (history_.size() > 1 && history_[history_.size() - 2].length >= length) history_.pop_back();
  if (history_.size() == 1) {
    check(history_.front().length == length, "the recurrent state of that point is no longer held");
    return;
  }
  // The last entry's steps lead from before `length` to it or beyond.
  Kept& end = history_.back();
  const std::int64_t begin = history_[history_.size() - 2].length;
  if (end.length > length) {
    for (Tensor& r : end.rows) r = r.slice(0, 0, length - begin);
    end.length = length;
    end.tensors.clear();
  }
  if (!end.tensors.empty()) return;
  std::size_t base = history_.size() - 2;
  while (history_[base].tensors.empty()) --base;
  std::vector<Tensor> tensors = history_[base].tensors;
  for (std::size_t i = base + 1; i < history_.size(); ++i) tensors = replay_(tensors, history_[i].rows);
  end.tensors = std::move(tensors);
}

std::unique_ptr<LayerState> RecurrentState::fork() const { return std::make_unique<RecurrentState>(*this); }

std::int64_t RecurrentState::bytes() const {
  std::int64_t total = 0;
  for (const Kept& kept : history_) {
    for (const Tensor& t : kept.tensors) total += t.nbytes();
    for (const Tensor& t : kept.rows) total += t.nbytes();
  }
  return total;
}

void RecurrentState::save(std::int64_t length, std::vector<std::byte>& out) const {
  check(history_.back().length == length, "recurrent state and sequence differ in length");
  for (const Tensor& t : current()) {
    const auto bytes = t.bytes();
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
}

void RecurrentState::load(std::int64_t length, std::span<const std::byte>& in) {
  std::vector<Tensor> tensors;
  for (const Tensor& like : initial_) {
    tensors.push_back(Tensor::from_bytes(like.runtime(), like.shape(), like.dtype(), take_bytes(in, like.nbytes())));
  }
  history_.clear();
  if (length == 0) tensors = initial_;
  history_.push_back({length, std::move(tensors)});
}

void TokenRecord::append(std::span<const std::int32_t> tokens, int encoding) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  encoding_ = encoding;
}

void TokenRecord::save(std::int64_t length, std::vector<std::byte>& out) const {
  put(out, static_cast<std::int32_t>(encoding_));
  const auto bytes = std::as_bytes(std::span(tokens_).first(static_cast<std::size_t>(length)));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void TokenRecord::load(std::int64_t length, std::span<const std::byte>& in) {
  const auto encoding = take<std::int32_t>(in);
  if (length > static_cast<std::int64_t>(in.size() / sizeof(std::int32_t))) fail("state snapshot: shorter than its ", length, " tokens");
  const auto bytes = take_bytes(in, length * static_cast<std::int64_t>(sizeof(std::int32_t)));
  tokens_.resize(static_cast<std::size_t>(length));
  if (!bytes.empty()) std::memcpy(tokens_.data(), bytes.data(), bytes.size());
  encoding_ = encoding;
}

SequenceState::SequenceState(std::string model, std::vector<std::unique_ptr<LayerState>> layers)
    : model_(std::move(model)), layers_(std::move(layers)) {}

std::int64_t SequenceState::bytes() const {
  std::int64_t total = 0;
  for (const auto& layer : layers_) total += layer->bytes();
  return total;
}

void SequenceState::advance(std::int64_t count) {
  length_ += count;
  for (auto& layer : layers_) layer->commit();
}

void SequenceState::prepare(std::int64_t count) {
  for (auto& layer : layers_) layer->prepare(length_, count);
}

bool SequenceState::can_roll_back(std::int64_t n) const {
  const std::int64_t length = length_ - n;
  return n == 0 || (n > 0 && length >= 0 && std::ranges::all_of(layers_, [&](const auto& l) { return l->can_roll_back_to(length); }));
}

void SequenceState::rollback(std::int64_t n) {
  if (!can_roll_back(n)) {
    fail_with(ErrorKind::limit, cat("cannot roll back ", n, " of ", length_, " positions: the state of that point is no longer held"));
  }
  length_ -= n;
  for (auto& layer : layers_) layer->rollback(length_);
}

std::unique_ptr<SequenceState> SequenceState::fork() const {
  std::vector<std::unique_ptr<LayerState>> layers;
  layers.reserve(layers_.size());
  for (const auto& layer : layers_) layers.push_back(layer->fork());
  auto out = std::make_unique<SequenceState>(model_, std::move(layers));
  out->length_ = length_;
  return out;
}

// "TSKSTATE", version, model text, length, the layers, SHA-256 of all before it (64 hex digits).
std::vector<std::byte> SequenceState::snapshot() const {
  const auto magic = std::as_bytes(std::span("TSKSTATE", 8));
  std::vector<std::byte> out;
  out.reserve(4096);
  out.insert(out.end(), magic.begin(), magic.end());
  put(out, std::uint32_t{1});
  put(out, static_cast<std::uint32_t>(model_.size()));
  const auto model = std::as_bytes(std::span(model_));
  out.insert(out.end(), model.begin(), model.end());
  put(out, length_);
  put(out, static_cast<std::uint32_t>(layers_.size()));
  for (const auto& layer : layers_) layer->save(length_, out);
  const std::string digest = sha256(out);
  const auto tail = std::as_bytes(std::span(digest));
  out.insert(out.end(), tail.begin(), tail.end());
  return out;
}

void SequenceState::restore(std::span<const std::byte> bytes) {
  constexpr std::size_t digest_size = 64;
  if (bytes.size() < 8 + digest_size || std::memcmp(bytes.data(), "TSKSTATE", 8) != 0) fail("no state snapshot: wrong beginning");
  std::span<const std::byte> in = bytes.first(bytes.size() - digest_size);
  const std::string digest = sha256(in);
  if (std::memcmp(digest.data(), bytes.data() + in.size(), digest_size) != 0) fail("state snapshot is damaged: its digest does not match");
  in = in.subspan(8);
  if (const auto version = take<std::uint32_t>(in); version != 1) fail("state snapshot has version ", version, ", this program reads 1");
  const auto name = take_bytes(in, take<std::uint32_t>(in));
  if (std::string_view(reinterpret_cast<const char*>(name.data()), name.size()) != model_) {
    fail("state snapshot belongs to another model or numeric mode");
  }
  const auto length = take<std::int64_t>(in);
  if (length < 0) fail("state snapshot has a negative length");
  if (take<std::uint32_t>(in) != layers_.size()) fail("state snapshot has another number of layers");
  for (auto& layer : layers_) layer->load(length, in);
  if (!in.empty()) fail("state snapshot has ", in.size(), " bytes too many");
  length_ = length;
}

}  // namespace tashika
