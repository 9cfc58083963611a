#!/usr/bin/env python3
"""Writes src/text/unicode_data.cpp: the character tables that the tokenizers need.

Every table is read off the reference itself (the `tokenizers` package), because its parts follow
different Unicode versions: Oniguruma's \\p{..} one, Rust's char methods another, the punctuation
and mark tables of BertNormalizer a much older one. A table taken from one Unicode release would be
wrong for the others. Grapheme classes, case folding and combining classes come from the `regex`
package and `unicodedata`, and are checked against the reference where it shows them.

Needs: pip install tokenizers regex. Usage: tools/unicode_tables.py OUTPUT
"""
import base64
import re
import sys
import unicodedata

import regex
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
ALL = "".join(map(chr, CODES))


def runs(members):
    """Sorted boundaries of a set of code points: in, out, in, out…"""
    out, previous = [], None
    for c in sorted(members):
        if previous is None or c != previous + 1:
            if previous is not None:
                out.append(previous + 1)
            out.append(c)
        previous = c
    if previous is not None:
        out.append(previous + 1)
    return out


def onig(pattern):
    """Code points that one Oniguruma character class matches."""
    pieces = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str(ALL)
    inside = set(range(len(ALL)))
    for _, (a, b) in pieces:
        inside.difference_update(range(a, b))
    return {CODES[i] for i in inside}


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def pack_set(members):
    out, last = bytearray(), 0
    for boundary in runs(members):
        out += varint(boundary - last)
        last = boundary
    return bytes(out)


def pack_map(values):
    """code point -> small number, as runs of equal numbers: (length, value)…"""
    out, c = bytearray(), 0
    while c < 0x110000:
        start, v = c, values.get(c, 0)
        while c < 0x110000 and values.get(c, 0) == v:
            c += 1
        out += varint(c - start) + varint(v)
    return bytes(out)


def pack_strings(mapping):
    """code point -> string, as (code point delta, count, code points…); a code point near its key
    is stored as a zigzag difference."""
    out, last = bytearray(), 0
    for key in sorted(mapping):
        out += varint(key - last) + varint(len(mapping[key]))
        last = key
        for ch in mapping[key]:
            d = ord(ch) - key
            out += varint(d << 1 if d >= 0 else (-d << 1) - 1)
    return bytes(out)


CATEGORIES = "Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs".split()


def categories():
    values = {}
    for i, name in enumerate(CATEGORIES):
        if name in ("Cn", "Cs"):
            continue
        for c in onig(rf"\p{{{name}}}"):
            values[c] = i
    for c in range(0xD800, 0xE000):
        values[c] = CATEGORIES.index("Cs")
    return values


SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian
Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene
Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting
Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet
Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi
Wancho Warang_Citi Yezidi Yi Zanabazar_Square""".split()


def scripts():
    values = {}
    names = ["Unknown"]
    for name in SCRIPTS:
        try:
            members = onig(rf"\p{{{name}}}")
        except Exception:  # a script newer than the reference
            continue
        names.append(name)
        for c in members:
            values[c] = len(names) - 1
    return names, values


def per_character(normalizer, sep="\0"):
    """What a context-free normalizer makes of every code point alone."""
    keep = [c for c in CODES if c not in (0, ord(sep))]
    parts = normalizer.normalize_str(sep.join(map(chr, keep))).split(sep)
    assert len(parts) == len(keep), (len(parts), len(keep))
    return dict(zip(keep, parts))


def bert(**kw):
    base = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    base.update(kw)
    return normalizers.BertNormalizer(**base)


def word_class():
    """\\w of Rust's regex crate, seen through the Whitespace pre-tokenizer (\\w+|[^\\w\\s]+)."""
    out = set()
    white = {c for c in CODES if not pre_tokenizers.WhitespaceSplit().pre_tokenize_str(chr(c))}
    ws = pre_tokenizers.Whitespace()
    for c in CODES:
        if c in white:
            continue
        if len(ws.pre_tokenize_str("a" + chr(c))) == 1:
            out.add(c)
    return out, white


def predicate(pre_tokenizer):
    return {c for c in CODES if len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "a")) == 3}


HANGUL = range(0xAC00, 0xAC00 + 11172)


def decompositions(normalizer):
    return {c: s for c, s in per_character(normalizer).items() if s != chr(c) and c not in HANGUL}


def compositions(nfd):
    """Primary composites by pair, as the reference composes them: first, second -> composite."""
    nfc = normalizers.NFC()
    pairs = {}
    for c, full in nfd.items():
        if nfc.normalize_str(chr(c)) != chr(c):
            continue  # excluded from composition
        raw = unicodedata.decomposition(chr(c)).split()
        if len(raw) == 2 and not raw[0].startswith("<"):
            pair = tuple(int(x, 16) for x in raw)
        else:  # newer than this Python: split the last one off the full decomposition
            head = nfc.normalize_str(full[:-1])
            if len(head) != 1:
                continue
            pair = (ord(head), ord(full[-1]))
        assert nfc.normalize_str(chr(pair[0]) + chr(pair[1])) == chr(c), hex(c)
        pairs[c] = "".join(map(chr, pair))
    return pairs


def combining_classes():
    nfd = normalizers.NFD()
    out = {}
    marks = "".join(m.group() for m in regex.finditer(r"\P{ccc=0}", ALL))
    known = [1, *range(6, 37), 84, 91, 103, 107, 118, 122, 129, 130, 132, 202, 214, 216, 218, 220, 222, 224, 226, 228,
             230, 232, 233, 234, 240]
    assert sum(len(regex.findall(rf"\p{{ccc={k}}}", marks)) for k in known) == len(marks)
    for k in known:
        for m in regex.finditer(rf"\p{{ccc={k}}}", marks):
            c = ord(m.group())
            text = chr(0x345) + chr(c) if k < 240 else chr(c) + chr(0x334)
            moved = nfd.normalize_str("a" + text) != "a" + nfd.normalize_str(text[0]) + nfd.normalize_str(text[1])
            if moved or nfd.normalize_str(chr(c)) != chr(c):
                out[c] = k
    return out


GCB = "Other CR LF Control Extend ZWJ RI Prepend SpacingMark L V T LV LVT".split()


def graphemes():
    values = {}
    for i, name in enumerate(GCB):
        if i == 0:
            continue
        long = {"RI": "Regional_Indicator"}.get(name, name)
        for m in regex.finditer(rf"\p{{GCB={long}}}", ALL):
            values[ord(m.group())] = i
    for m in regex.finditer(r"\p{Extended_Pictographic}", ALL):
        c = ord(m.group())
        assert values.get(c, 0) == 0, hex(c)
        values[c] = len(GCB)
    return values


def folds():
    """code point -> the code point it folds to, where they differ (simple folding)."""
    out = {}
    for c in CODES:
        f = chr(c).casefold()
        if len(f) == 1 and ord(f) != c:
            out[c] = f
    out[0x1E9E] = chr(0xDF)
    return out


def hf_scripts():
    """Scripts as the UnicodeScripts pre-tokenizer sees them, up to renaming; 0 never splits."""
    us = pre_tokenizers.UnicodeScripts()
    splits = lambda a, b: len(us.pre_tokenize_str(a + b)) > 1
    values, heads = {}, []
    last = None
    for c in CODES:
        ch = chr(c)
        # A text of "any" characters alone is dropped whole.
        if not us.pre_tokenize_str(ch):
            values[c] = 0
            continue
        if last is not None and not splits(heads[last - 1], ch):
            values[c] = last
            continue
        for i, head in enumerate(heads):
            if not splits(head, ch):
                values[c] = last = i + 1
                break
        else:
            heads.append(ch)
            values[c] = last = len(heads)
    return values


def main():
    word, white = word_class()
    nfd = decompositions(normalizers.NFD())
    nfkd = decompositions(normalizers.NFKD())
    nfkd = {c: s for c, s in nfkd.items() if nfd.get(c) != s}
    cleaned = per_character(bert(clean_text=True), "|")
    accents = per_character(bert(strip_accents=True))
    marks = per_character(normalizers.StripAccents())
    lower = {c: s for c, s in per_character(normalizers.Lowercase()).items() if s != chr(c)}
    script_names, script_values = scripts()
    tables = {
        "category": pack_map(categories()),
        "script": pack_map(script_values),
        "onig_word": pack_set(onig(r"\w")),
        "onig_alpha": pack_set(onig(r"[[:alpha:]]")),
        "onig_lower": pack_set(onig(r"[[:lower:]]")),
        "onig_upper": pack_set(onig(r"[[:upper:]]")),
        "onig_punct": pack_set(onig(r"[[:punct:]]")),
        "onig_graph": pack_set(onig(r"[[:graph:]]")),
        "onig_print": pack_set(onig(r"[[:print:]]")),
        "onig_emoji": pack_set(onig(r"\p{Emoji}")),
        "pictographic": pack_set(onig(r"\p{Extended_Pictographic}")),
        "rust_word": pack_set(word),
        "rust_numeric": pack_set(predicate(pre_tokenizers.Digits(individual_digits=True))),
        "bert_punctuation": pack_set(predicate(pre_tokenizers.Punctuation())),
        "bert_control": pack_set({c for c, s in cleaned.items() if s == ""} | {0}),
        "bert_mark": pack_set({c for c, s in accents.items() if s == ""}),
        "combining_mark": pack_set({c for c, s in marks.items() if s == ""}),
        "hf_script": pack_map(hf_scripts()),
        "grapheme": pack_map(graphemes()),
        "combining_class": pack_map(combining_classes()),
        "fold": pack_strings(folds()),
        "lower": pack_strings(lower),
        "nfd": pack_strings(nfd),
        "nfkd": pack_strings(nfkd),
        "composition": pack_strings(compositions(nfd)),
    }
    assert white == {9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
                     0x205F, 0x3000}, "white space changed"
    assert onig(r"\s") == white
    assert onig(r"\d") == onig(r"\p{Nd}")
    lines = [
        "// Generated by tools/unicode_tables.py: do not edit.",
        "//",
        "// Each table is a string of base64, decoded once by unicode.cpp: sets are the distances between",
        "// the places where membership changes, maps are runs, strings are differences (all varints).",
        '#include "text/unicode_data.h"',
        "",
        "namespace tashika::unicode_data {",
        "",
    ]
    for name, blob in tables.items():
        text = base64.b64encode(blob).decode()
        lines.append(f"const char* const {name} =")
        chunks = [text[i:i + 116] for i in range(0, len(text), 116)] or [""]
        lines += [f'    "{c}"' for c in chunks[:-1]] + [f'    "{chunks[-1]}";', ""]
        print(f"{name}: {len(blob)} bytes", file=sys.stderr)
    lines.append("const char* const script_names =")
    text = " ".join(script_names)
    chunks = re.findall(r".{1,110}(?: |$)", text)
    lines += [f'    "{c}"' for c in chunks[:-1]] + [f'    "{chunks[-1]}";', "", "}  // namespace tashika::unicode_data", ""]
    open(sys.argv[1], "w").write("\n".join(lines))


main()
