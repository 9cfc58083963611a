#include "text/unicode.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <vector>

#include "text/unicode_data.h"
#include "text/utf8.h"

namespace tashika::unicode {
namespace {

// --- Reading the generated tables ---------------------------------------------------------------

std::vector<std::uint8_t> from_base64(const char* text) {
  std::vector<std::uint8_t> out;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char* p = text; *p != 0 && *p != '='; ++p) {
    const char c = *p;
    const std::uint32_t v = c >= 'a' ? c - 'a' + 26u : c >= 'A' ? c - 'A' + 0u : c >= '0' ? c - '0' + 52u : c == '+' ? 62u : 63u;
    bits = (bits << 6) | v;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<std::uint8_t>(bits >> have));
    }
  }
  return out;
}

class Varints {
 public:
  explicit Varints(const char* text) : bytes_(from_base64(text)) {}
  bool done() const { return at_ >= bytes_.size(); }
  std::uint32_t next() {
    std::uint32_t value = 0;
    for (int shift = 0; at_ < bytes_.size(); shift += 7) {
      const std::uint8_t b = bytes_[at_++];
      value |= std::uint32_t(b & 127) << shift;
      if (b < 128) break;
    }
    return value;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

CodeSet read_set(const char* text) {
  Varints in(text);
  std::vector<CodeRange> ranges;
  char32_t at = 0;
  while (!in.done()) {
    const char32_t first = at + in.next();
    const char32_t end = in.done() ? 0x110000 : first + in.next();
    ranges.push_back({first, end - 1});
    at = end;
  }
  return CodeSet(std::move(ranges));
}

CodeMap read_map(const char* text) {
  Varints in(text);
  std::vector<CodeMap::Run> runs;
  char32_t at = 0;
  while (!in.done()) {
    const char32_t length = in.next();
    runs.push_back({at, at + length - 1, static_cast<std::uint8_t>(in.next())});
    at += length;
  }
  return CodeMap(runs);
}

// code point -> string. All strings lie in one buffer.
struct StringMap {
  std::unordered_map<char32_t, std::pair<std::uint32_t, std::uint32_t>> index;
  std::u32string buffer;

  explicit StringMap(const char* text) {
    Varints in(text);
    char32_t key = 0;
    while (!in.done()) {
      key += in.next();
      const std::uint32_t count = in.next();
      index.emplace(key, std::pair{static_cast<std::uint32_t>(buffer.size()), count});
      for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t z = in.next();
        buffer.push_back(z & 1 ? key - ((z + 1) >> 1) : key + (z >> 1));
      }
    }
  }
  std::u32string_view operator[](char32_t c) const {
    const auto found = index.find(c);
    if (found == index.end()) return {};
    return std::u32string_view(buffer).substr(found->second.first, found->second.second);
  }
};

const CodeMap& categories() {
  static const CodeMap map = read_map(unicode_data::category);
  return map;
}

const StringMap& folds() {
  static const StringMap map(unicode_data::fold);
  return map;
}

// --- Named properties ---------------------------------------------------------------------------

std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return out;
}

using Letters = std::string_view;  // the two-letter categories of a class, one after the other
constexpr Letters category_names = "CnCcCfCoCsLlLmLoLtLuMcMeMnNdNlNoPcPdPePfPiPoPsScSkSmSoZlZpZs";

CodeSet of_categories(Letters two_letter_names) {
  std::vector<CodeRange> ranges;
  for (std::size_t i = 0; i + 1 < two_letter_names.size(); i += 2) {
    for (std::size_t k = 0; k < category_names.size(); k += 2) {
      if (category_names.substr(k, 2) != two_letter_names.substr(i, 2)) continue;
      const CodeSet set = categories().where(static_cast<std::uint8_t>(k / 2));
      ranges.insert(ranges.end(), set.ranges().begin(), set.ranges().end());
    }
  }
  return CodeSet(std::move(ranges));
}

const std::map<std::string, Letters>& category_aliases() {
  static const std::map<std::string, Letters> map = {
      {"l", "LlLmLoLtLu"}, {"letter", "LlLmLoLtLu"}, {"lc", "LlLtLu"}, {"casedletter", "LlLtLu"},
      {"m", "McMeMn"}, {"mark", "McMeMn"}, {"combiningmark", "McMeMn"},
      {"n", "NdNlNo"}, {"number", "NdNlNo"}, {"p", "PcPdPePfPiPoPs"}, {"punctuation", "PcPdPePfPiPoPs"},
      {"s", "ScSkSmSo"}, {"symbol", "ScSkSmSo"}, {"z", "ZlZpZs"}, {"separator", "ZlZpZs"},
      {"c", "CnCcCfCoCs"}, {"other", "CnCcCfCoCs"},
      {"lowercaseletter", "Ll"}, {"modifierletter", "Lm"}, {"otherletter", "Lo"}, {"titlecaseletter", "Lt"},
      {"uppercaseletter", "Lu"}, {"spacingmark", "Mc"}, {"enclosingmark", "Me"}, {"nonspacingmark", "Mn"},
      {"decimalnumber", "Nd"}, {"letternumber", "Nl"}, {"othernumber", "No"}, {"connectorpunctuation", "Pc"},
      {"dashpunctuation", "Pd"}, {"closepunctuation", "Pe"}, {"finalpunctuation", "Pf"}, {"initialpunctuation", "Pi"},
      {"otherpunctuation", "Po"}, {"openpunctuation", "Ps"}, {"currencysymbol", "Sc"}, {"modifiersymbol", "Sk"},
      {"mathsymbol", "Sm"}, {"othersymbol", "So"}, {"lineseparator", "Zl"}, {"paragraphseparator", "Zp"},
      {"spaceseparator", "Zs"}, {"control", "Cc"}, {"format", "Cf"}, {"unassigned", "Cn"}, {"privateuse", "Co"},
      {"surrogate", "Cs"}};
  return map;
}

CodeSet ascii(std::vector<CodeRange> ranges) { return CodeSet(std::move(ranges)); }

}  // namespace

const CodeSet& white_space() {
  static const CodeSet set({{9, 13}, {0x20, 0x20}, {0x85, 0x85}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A},
                            {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}});
  return set;
}

std::optional<CodeSet> property(std::string_view raw) {
  const std::string name = plain_name(raw);
  if (const auto alias = category_aliases().find(name); alias != category_aliases().end()) {
    return of_categories(alias->second);
  }
  for (std::size_t k = 0; k < category_names.size(); k += 2) {
    if (plain_name(category_names.substr(k, 2)) == name) return of_categories(category_names.substr(k, 2));
  }
  if (name == "any") return ascii({{0, 0x10FFFF}});
  if (name == "ascii") return ascii({{0, 127}});
  if (name == "assigned") return of_categories("Cn").complement();
  if (name == "alpha" || name == "alphabetic") return read_set(unicode_data::onig_alpha);
  if (name == "lower" || name == "lowercase") return read_set(unicode_data::onig_lower);
  if (name == "upper" || name == "uppercase") return read_set(unicode_data::onig_upper);
  if (name == "punct") return read_set(unicode_data::onig_punct);
  if (name == "graph") return read_set(unicode_data::onig_graph);
  if (name == "print") return read_set(unicode_data::onig_print);
  if (name == "word") return read_set(unicode_data::onig_word);
  if (name == "space" || name == "whitespace") return white_space();
  if (name == "digit") return of_categories("Nd");
  if (name == "alnum") return read_set(unicode_data::onig_alpha).with(of_categories("Nd"));
  if (name == "cntrl") return of_categories("Cc");
  if (name == "blank") return of_categories("Zs").with(ascii({{9, 9}}));
  if (name == "xdigit") return ascii({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  if (name == "emoji") return read_set(unicode_data::onig_emoji);
  if (name == "extendedpictographic" || name == "extpict") return read_set(unicode_data::pictographic);
  std::string_view names = unicode_data::script_names;
  for (std::uint8_t number = 0; !names.empty(); ++number) {
    const std::size_t space = std::min(names.find(' '), names.size());
    if (plain_name(names.substr(0, space)) == name) return read_map(unicode_data::script).where(number);
    names.remove_prefix(std::min(space + 1, names.size()));
  }
  return std::nullopt;
}

const CodeSet& rust_word() {
  static const CodeSet set = read_set(unicode_data::rust_word);
  return set;
}
const CodeSet& rust_numeric() {
  static const CodeSet set = read_set(unicode_data::rust_numeric);
  return set;
}
const CodeSet& bert_punctuation() {
  static const CodeSet set = read_set(unicode_data::bert_punctuation);
  return set;
}
const CodeSet& bert_control() {
  static const CodeSet set = read_set(unicode_data::bert_control);
  return set;
}
const CodeSet& bert_mark() {
  static const CodeSet set = read_set(unicode_data::bert_mark);
  return set;
}
const CodeSet& combining_mark() {
  static const CodeSet set = read_set(unicode_data::combining_mark);
  return set;
}
std::uint8_t hf_script(char32_t c) {
  static const CodeMap map = read_map(unicode_data::hf_script);
  return map[c];
}
Category category(char32_t c) { return static_cast<Category>(categories()[c]); }

std::u32string_view lower(char32_t c) {
  static const StringMap map(unicode_data::lower);
  return map[c];
}

char32_t fold(char32_t c) {
  const std::u32string_view to = folds()[c];
  return to.empty() ? c : to[0];
}

CodeSet close_over_case(const CodeSet& set) {
  // Which code points fold to a given one.
  static const std::unordered_multimap<char32_t, char32_t> sources = [] {
    std::unordered_multimap<char32_t, char32_t> map;
    for (const auto& [code, place] : folds().index) map.emplace(folds().buffer[place.first], code);
    return map;
  }();
  std::vector<CodeRange> out = set.ranges();
  const auto add_orbit = [&](char32_t target) {
    out.push_back({target, target});
    const auto [begin, end] = sources.equal_range(target);
    for (auto it = begin; it != end; ++it) out.push_back({it->second, it->second});
  };
  for (const auto& [code, place] : folds().index) {
    const char32_t target = folds().buffer[place.first];
    if (set.contains(code) || set.contains(target)) add_orbit(target);
  }
  return CodeSet(std::move(out));
}

// --- Normalization forms (UAX 15) ---------------------------------------------------------------
namespace {

constexpr char32_t hangul_s = 0xAC00, hangul_l = 0x1100, hangul_v = 0x1161, hangul_t = 0x11A7;
constexpr char32_t hangul_l_count = 19, hangul_v_count = 21, hangul_t_count = 28, hangul_s_count = 11172;

struct Normalization {
  StringMap canonical{unicode_data::nfd}, compatible{unicode_data::nfkd};
  CodeMap combining = read_map(unicode_data::combining_class);
  std::unordered_map<std::uint64_t, char32_t> composites;

  Normalization() {
    const StringMap pairs(unicode_data::composition);
    for (const auto& [code, place] : pairs.index) {
      composites.emplace(key(pairs.buffer[place.first], pairs.buffer[place.first + 1]), code);
    }
  }
  static std::uint64_t key(char32_t a, char32_t b) { return (std::uint64_t(a) << 32) | b; }

  char32_t compose(char32_t a, char32_t b) const {
    if (a >= hangul_l && a < hangul_l + hangul_l_count && b >= hangul_v && b < hangul_v + hangul_v_count) {
      return hangul_s + ((a - hangul_l) * hangul_v_count + (b - hangul_v)) * hangul_t_count;
    }
    if (a >= hangul_s && a < hangul_s + hangul_s_count && (a - hangul_s) % hangul_t_count == 0 && b > hangul_t &&
        b < hangul_t + hangul_t_count) {
      return a + (b - hangul_t);
    }
    const auto found = composites.find(key(a, b));
    return found == composites.end() ? 0 : found->second;
  }
};

const Normalization& normalization() {
  static const Normalization data;
  return data;
}

// A character of the result, and how many characters of the text it stands for: what decides which
// ones count as the text's start, in the order they come out (as the reference aligns them).
struct Mark {
  char32_t code;
  std::uint32_t taken;
};

}  // namespace

std::u32string normalize(Form form, std::u32string_view text, std::size_t& lead) {
  const Normalization& data = normalization();
  const bool compatible = form == Form::nfkc || form == Form::nfkd;
  const bool composed = form == Form::nfc || form == Form::nfkc;
  std::vector<Mark> marks;
  marks.reserve(text.size());
  std::size_t pending = 0;  // where the current run of combining characters starts
  const auto put = [&](char32_t c, std::uint32_t taken) {
    if (data.combining[c] == 0) {
      std::stable_sort(marks.begin() + static_cast<std::ptrdiff_t>(pending), marks.end(),
                       [&](const Mark& a, const Mark& b) { return data.combining[a.code] < data.combining[b.code]; });
      marks.push_back({c, taken});
      pending = marks.size();
    } else {
      marks.push_back({c, taken});
    }
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c < 0x80) {
      put(c, 1);
      continue;
    }
    if (c >= hangul_s && c < hangul_s + hangul_s_count) {
      const char32_t s = c - hangul_s;
      put(hangul_l + s / (hangul_v_count * hangul_t_count), 1);
      put(hangul_v + s % (hangul_v_count * hangul_t_count) / hangul_t_count, 0);
      if (s % hangul_t_count != 0) put(hangul_t + s % hangul_t_count, 0);
      continue;
    }
    std::u32string_view parts = compatible ? data.compatible[c] : std::u32string_view{};
    if (parts.empty()) parts = data.canonical[c];
    if (parts.empty()) {
      put(c, 1);
    } else {
      for (std::size_t k = 0; k < parts.size(); ++k) put(parts[k], k == 0);
    }
  }
  put(0, 0);  // sorts the last run
  marks.pop_back();

  if (composed && !marks.empty()) {
    std::vector<Mark> out;
    out.reserve(marks.size());
    std::ptrdiff_t starter = -1;
    int last_class = -1;  // combining class of what was kept since the starter, -1: nothing
    for (const Mark& m : marks) {
      const int cls = data.combining[m.code];
      if (starter >= 0 && last_class < cls) {
        Mark& first = out[static_cast<std::size_t>(starter)];
        const char32_t both = data.compose(first.code, m.code);
        if (both != 0) {
          first = {both, first.taken + m.taken};
          continue;
        }
      }
      out.push_back(m);
      if (cls == 0) {
        starter = static_cast<std::ptrdiff_t>(out.size()) - 1;
        last_class = -1;
      } else {
        last_class = cls;
      }
    }
    marks = std::move(out);
  }
  std::u32string result;
  result.reserve(marks.size());
  std::size_t new_lead = 0, at = 0;
  for (const Mark& m : marks) {
    if (m.taken > 0 ? at >= lead : at > lead) break;
    ++new_lead;
    at += m.taken;
  }
  for (const Mark& m : marks) result.push_back(m.code);
  lead = new_lead;
  return result;
}

std::string normalize(Form form, std::string_view valid) {
  std::size_t lead = 0;
  std::string out;
  for (const char32_t c : normalize(form, utf8::to_u32(valid), lead)) utf8::append(out, c);
  return out;
}

// --- Grapheme clusters (UAX 29) -----------------------------------------------------------------

std::size_t grapheme_end(std::string_view text, std::size_t at) {
  enum : std::uint8_t { other, cr, lf, control, extend, zwj, regional, prepend, spacing, l, v, t, lv, lvt, pictographic };
  static const CodeMap classes = read_map(unicode_data::grapheme);
  utf8::Decoded c = utf8::decode(text, at);
  std::uint8_t before = classes[c.code];
  at += c.size;
  bool emoji = before == pictographic;  // a pictograph, then only extenders so far
  bool joined = false;                  // … and the last one was a joiner
  int regionals = before == regional;
  while (at < text.size()) {
    c = utf8::decode(text, at);
    const std::uint8_t now = classes[c.code];
    bool keep = false;
    if (before == cr) {
      keep = now == lf;
    } else if (before == lf || before == control || now == cr || now == lf || now == control) {
      keep = false;
    } else if ((before == l && (now == l || now == v || now == lv || now == lvt)) ||
               ((before == lv || before == v) && (now == v || now == t)) || ((before == lvt || before == t) && now == t)) {
      keep = true;
    } else if (now == extend || now == zwj || now == spacing || before == prepend) {
      keep = true;
    } else if (joined && now == pictographic) {
      keep = true;
    } else if (before == regional && now == regional) {
      keep = regionals % 2 == 1;
    }
    if (!keep) break;
    if (now == pictographic) {
      emoji = true;
      joined = false;
    } else if (emoji && now == zwj) {
      joined = true;
    } else if (emoji && now == extend) {
      joined = false;
    } else {
      emoji = joined = false;
    }
    regionals = now == regional ? regionals + 1 : 0;
    before = now;
    at += c.size;
  }
  return at;
}

}  // namespace tashika::unicode
