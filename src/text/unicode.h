// Character properties, case, normalization forms and grapheme clusters, as the `tokenizers`
// library sees them (each table follows the Unicode version of the part that the library uses; see
// tools/unicode_tables.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/code_set.h"

namespace tashika::unicode {

// General categories, in the order of the generated table.
enum class Category : std::uint8_t {
  Cn, Cc, Cf, Co, Cs, Ll, Lm, Lo, Lt, Lu, Mc, Me, Mn, Nd, Nl, No, Pc, Pd, Pe, Pf, Pi, Po, Ps, Sc, Sk, Sm, So, Zl, Zp, Zs
};

const CodeSet& white_space();  // the White_Space property: Rust's, Oniguruma's and Python's \s

// A class by the name that Oniguruma knows it under (general category, long category name, script,
// POSIX bracket, a few binary properties); names ignore case, spaces, '-' and '_'. nullopt: unknown.
std::optional<CodeSet> property(std::string_view name);

const CodeSet& rust_word();         // \w of Rust's regex crate
const CodeSet& rust_numeric();      // char::is_numeric
const CodeSet& bert_punctuation();  // ASCII punctuation and an old P*
const CodeSet& bert_control();      // an old C*
const CodeSet& bert_mark();         // an old Mn
const CodeSet& combining_mark();    // M*, as StripAccents takes it
std::uint8_t hf_script(char32_t c);  // script number of the UnicodeScripts pre-tokenizer, 0: any
Category category(char32_t c);

std::u32string_view lower(char32_t c);  // lower case where it differs, else empty
char32_t fold(char32_t c);              // simple case folding
// Every code point whose folding equals that of a member.
CodeSet close_over_case(const CodeSet& set);

enum class Form { nfc, nfd, nfkc, nfkd };
// `lead`: how many leading characters of `text` count as the text's start; on return, how many of
// the result come from those.
std::u32string normalize(Form form, std::u32string_view text, std::size_t& lead);
std::string normalize(Form form, std::string_view valid_utf8);

// End of the extended grapheme cluster (UAX 29) that starts at `at`.
std::size_t grapheme_end(std::string_view valid_utf8, std::size_t at);

}  // namespace tashika::unicode
