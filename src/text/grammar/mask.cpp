#include "text/grammar/mask.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace tashika::grammar {

std::string special_spelling(std::int32_t id) { return cat("\xFF[", id, "]"); }

TokenTrie::TokenTrie(const std::vector<std::string>& tokens, const std::vector<bool>& special) {
  bytes_ = tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i < special.size() && special[i]) {
      bytes_[i] = special_spelling(static_cast<std::int32_t>(i));
    } else if (bytes_[i].find('\xFF') != std::string::npos || bytes_[i].size() > 4096) {
      bytes_[i].clear();  // no grammar over text allows it
    }
    if (!bytes_[i].empty()) order_.push_back(static_cast<std::int32_t>(i));
  }
  std::ranges::sort(order_, [&](std::int32_t a, std::int32_t b) {
    const int c = bytes(a).compare(bytes(b));
    return c < 0 || (c == 0 && a < b);
  });
  nodes_.emplace_back();
  std::vector<std::uint32_t> path{0};
  std::string_view last;
  for (std::uint32_t at = 0; at < order_.size(); ++at) {
    const std::string_view text = bytes(order_[at]);
    std::size_t shared = 0;
    while (shared < text.size() && shared < last.size() && text[shared] == last[shared]) ++shared;
    while (path.size() > shared + 1) {
      nodes_[path.back()].skip = static_cast<std::uint32_t>(nodes_.size());
      path.pop_back();
    }
    for (std::size_t i = shared; i < text.size(); ++i) {
      Node n;
      n.parent = path.back();
      n.depth = static_cast<std::uint16_t>(i + 1);
      n.byte = static_cast<std::uint8_t>(text[i]);
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back(n);
    }
    Node& node = nodes_[path.back()];
    if (node.count == 0) node.first = at;
    if (node.count < 0xFFFF) ++node.count;
    deepest_ = std::max(deepest_, static_cast<std::uint32_t>(text.size()));
    last = text;
  }
  for (const std::uint32_t n : path) nodes_[n].skip = static_cast<std::uint32_t>(nodes_.size());
}

std::shared_ptr<const StateMask> MaskCache::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = map_.find(key);
  return found == map_.end() ? nullptr : found->second;
}

void MaskCache::add(const Key& key, std::shared_ptr<const StateMask> value) {
  const auto size = [](const StateMask& m) { return (m.inside.size() + m.closing.size()) / 8 + m.exits.size() * 4 + 256; };
  const std::lock_guard lock(mutex_);
  bytes_ += size(*value);
  if (!map_.try_emplace(key, std::move(value)).second) return;
  order_.push_back(key);
  while (bytes_ > budget && order_.size() > 1) {
    const auto oldest = map_.find(order_.front());
    bytes_ -= std::min(bytes_, size(*oldest->second));
    map_.erase(oldest);
    order_.pop_front();
  }
}

namespace {

class Walk {
 public:
  Walk(Machine& machine, const TokenTrie& trie, MaskCache& cache, const std::string& text, TokenMask& out)
      : machine_(machine), trie_(trie), cache_(cache), text_(text), base_(text.size()), out_(out) {}

  void add(const Thread& thread) {
    const Program& p = machine_.program();
    if (thread.kind == Thread::Kind::end) return;
    if (thread.kind != Thread::Kind::text && thread.kind != Thread::Kind::other_key) return walk(0, {thread});
    const Terminal& terminal = p.terminals[thread.id];
    const bool depends = machine_.depends_on_text(thread);
    // Where strings seen may share this one's beginning and cannot all be evaded, every byte is looked at. What a key may
    // not be is asked where it ends.
    if (depends && !alone(thread)) return walk(0, {thread});
    const std::shared_ptr<const StateMask> mask = of_state(terminal, thread);
    const auto words = out_.words();
    const auto join = [&](const TokenMask& more) {
      for (std::size_t i = 0; i < words.size(); ++i) words[i] |= more.words()[i];
    };
    join(mask->inside);
    if (depends) {
      for (const std::uint32_t exit : mask->exits) leave(thread, exit);
      return;
    }
    join(mask->closing);
    std::vector<Thread> behind;
    bool known = false;
    for (const std::uint32_t exit : mask->exits) {
      const TokenTrie::Node& node = trie_.nodes()[exit];
      if (exit != 0 && exit + 1 == node.skip) continue;
      if (!known) {
        Thread ended = thread;
        ended.a = accepting(terminal, thread);
        ended.b = std::max(ended.b, terminal.least);
        text_ += '\0';  // not where this token began
        machine_.finish(ended, text_, behind);
        text_.pop_back();
        machine_.dedupe(behind);
        known = true;
      }
      if (behind.empty()) return;
      walk(exit, behind);
    }
  }

 private:
  // Any accepting state: what goes on behind it is the same.
  static std::uint32_t accepting(const Terminal& t, const Thread& thread) {
    if (t.dfa->accept[thread.a]) return thread.a;
    for (std::uint32_t s = 1; s < t.dfa->states(); ++s) {
      if (t.dfa->accept[s]) return s;
    }
    return 0;
  }

  bool alone(const Thread& thread) const {
    // Near the beginning everything seen is alike; later hardly anything is.
    const Frame& f = *thread.stack;
    if (thread.kind == Thread::Kind::other_key) {
      const Terminal& key = machine_.program().terminals[thread.id];
      return key.dfa.get() == &any_json_string() || !f.others;
    }
    return !f.others || machine_.program().terminals[thread.id].dfa.get() == &any_json_string();
  }

  void path_to(std::uint32_t node) {
    text_.resize(base_ + trie_.nodes()[node].depth);
    for (std::uint32_t n = node; n != 0; n = trie_.nodes()[n].parent) text_[base_ + trie_.nodes()[n].depth - 1] = static_cast<char>(trie_.nodes()[n].byte);
  }

  // The automaton may end at node `exit`: does the text so far allow it, and what comes behind?
  void leave(const Thread& thread, std::uint32_t exit) {
    std::vector<Thread> now{thread}, next;
    path_to(exit);
    // The automaton's own steps are known to be right: only the last byte is looked at as a whole.
    const Terminal& terminal = machine_.program().terminals[thread.id];
    const std::size_t size = text_.size();
    if (exit == 0) {
      walk(0, now);
      return;
    }
    Thread at = thread;
    for (std::size_t i = base_; i + 1 < size; ++i) {
      const std::uint32_t from = at.a;
      at.a = terminal.dfa->step(at.a, static_cast<std::uint8_t>(text_[i]));
      if (terminal.lengths && terminal.dfa->boundary[at.a] && from != terminal.dfa->start) ++at.b;
    }
    machine_.step(at, static_cast<std::uint8_t>(text_[size - 1]), text_, next);
    text_.resize(base_);
    if (next.empty()) return;
    trie_.allow(trie_.nodes()[exit], out_);
    walk(exit, next);
  }

  std::shared_ptr<const StateMask> of_state(const Terminal& t, const Thread& thread) {
    MaskCache::Key key{t.dfa.get(), thread.a, 0, unlimited};
    if (t.lengths) {
      key.least = t.least > thread.b ? t.least - thread.b : 0;
      if (t.most != unlimited) key.most = t.most - thread.b;
      // Bounds that no token can reach make no difference.
      if (t.lengths->settled != Lengths::infinite) {
        const std::uint32_t far = t.lengths->settled + trie_.deepest() + 1;
        if (t.lengths->all_infinite && key.most >= far) key.most = unlimited;
        if (t.lengths->all_infinite && key.most == unlimited) key.least = std::min(key.least, far);
      }
    }
    if (auto found = cache_.find(key)) return found;
    auto mask = std::make_shared<StateMask>();
    mask->dfa = t.dfa;
    mask->inside.reset(trie_.width());
    mask->closing.reset(trie_.width());
    const Dfa& dfa = *t.dfa;
    const auto nodes = trie_.nodes();
    struct At {
      std::uint32_t state, count;
    };
    std::vector<At> stack(trie_.deepest() + 1);
    stack[0] = {thread.a, 0};
    const auto may_end = [&](const At& at) { return dfa.accept[at.state] && (!t.lengths || at.count >= key.least); };
    if (may_end(stack[0])) mask->exits.push_back(0);
    for (std::uint32_t n = 1; n < nodes.size();) {
      const TokenTrie::Node& node = nodes[n];
      const At& from = stack[node.depth - 1];
      At to{dfa.step(from.state, node.byte), from.count};
      bool live = to.state != 0;
      if (live && t.lengths) {
        if (dfa.boundary[to.state] && from.state != dfa.start) ++to.count;
        live = to.count <= key.most && t.lengths->possible(to.state, key.least > to.count ? key.least - to.count : 0,
                                                           key.most == unlimited ? unlimited : key.most - to.count);
      }
      if (!live) {
        n = node.skip;
        continue;
      }
      stack[node.depth] = to;
      if (may_end(to)) {
        mask->exits.push_back(n);
        trie_.allow(node, mask->closing);
      } else {
        trie_.allow(node, mask->inside);
      }
      ++n;
    }
    cache_.add(key, mask);
    return mask;
  }

  // Every token below `root`, whose path the threads have read.
  void walk(std::uint32_t root, const std::vector<Thread>& threads) {
    const auto nodes = trie_.nodes();
    const std::uint32_t end = nodes[root].skip, top = nodes[root].depth;
    if (root + 1 >= end) return;
    path_to(root);
    if (levels_.size() < trie_.deepest() + 2) levels_.resize(trie_.deepest() + 2);
    levels_[top] = threads;
    for (std::uint32_t n = root + 1; n < end;) {
      const TokenTrie::Node& node = nodes[n];
      text_.resize(base_ + node.depth - 1);
      text_ += static_cast<char>(node.byte);
      std::vector<Thread>& next = levels_[node.depth];
      next.clear();
      for (const Thread& t : levels_[node.depth - 1]) machine_.step(t, node.byte, text_, next);
      if (next.empty()) {
        n = node.skip;
        continue;
      }
      machine_.dedupe(next);
      trie_.allow(node, out_);
      ++n;
    }
    text_.resize(base_);
  }

  Machine& machine_;
  const TokenTrie& trie_;
  MaskCache& cache_;
  std::string text_;
  std::size_t base_;
  TokenMask& out_;
  std::vector<std::vector<Thread>> levels_;
};

}  // namespace

void fill_mask(Machine& machine, const TokenTrie& trie, MaskCache& cache, const std::vector<Thread>& threads, const std::string& text, TokenMask& out) {
  Walk walk(machine, trie, cache, text, out);
  for (const Thread& t : threads) walk.add(t);
}

}  // namespace tashika::grammar
