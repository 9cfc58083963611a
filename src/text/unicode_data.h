// The tables of unicode_data.cpp (generated): base64 of the encodings that unicode.cpp reads.
#pragma once

namespace tashika::unicode_data {

extern const char* const category;
extern const char* const script;
extern const char* const script_names;
extern const char* const onig_word;
extern const char* const onig_alpha;
extern const char* const onig_lower;
extern const char* const onig_upper;
extern const char* const onig_punct;
extern const char* const onig_graph;
extern const char* const onig_print;
extern const char* const onig_emoji;
extern const char* const pictographic;
extern const char* const rust_word;
extern const char* const rust_numeric;
extern const char* const bert_punctuation;
extern const char* const bert_control;
extern const char* const bert_mark;
extern const char* const combining_mark;
extern const char* const hf_script;
extern const char* const grapheme;
extern const char* const combining_class;
extern const char* const fold;
extern const char* const lower;
extern const char* const nfd;
extern const char* const nfkd;
extern const char* const composition;

}  // namespace tashika::unicode_data
