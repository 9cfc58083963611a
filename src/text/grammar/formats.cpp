#include "text/grammar/formats.h"

namespace tashika::grammar {
namespace {

// A year other than 0000, as calendars have none.
#define YEAR "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
#define LEAP "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define DATE "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" LEAP "-02-29)"
#define TIME "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 "(?:" OCTET "\\." OCTET "\\." OCTET "\\." OCTET ")"
#define H16 "[0-9A-Fa-f]{1,4}"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define PCT "%[0-9A-Fa-f]{2}"
#define PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|" PCT ")"
#define REG "(?:[A-Za-z0-9._~!$&'()*+,;=-]|" PCT ")"
#define AUTHORITY "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|" PCT ")*@)?" REG "*(?::[0-9]{1,5})?"
#define QUERY "(?:\\?(?:" PCHAR "|[/?])*)?"
#define FRAGMENT "(?:#(?:" PCHAR "|[/?])*)?"
#define POINTER "(?:/(?:[^/~]|~[01])*)*"

struct Format {
  std::string_view name, pattern;
};

// RFC 3339 (dates), 5321 (mail), 1123 (hosts), 3986 (URIs), 4291 (IPv6), 6901 (pointers), 9562 (UUIDs).
constexpr Format formats[] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE "T" TIME},
    {"duration",
     "P(?:[0-9]{1,6}W|(?:[0-9]{1,6}Y(?:[0-9]{1,6}M(?:[0-9]{1,6}D)?)?|[0-9]{1,6}M(?:[0-9]{1,6}D)?|[0-9]{1,6}D)(?:T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|"
     "[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))?|T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))"},
    {"email", ATEXT "{1,20}(?:\\." ATEXT "{1,20}){0,2}@" LABEL "(?:\\." LABEL "){1,3}"},
    {"idn-email", ATEXT "{1,20}(?:\\." ATEXT "{1,20}){0,2}@" LABEL "(?:\\." LABEL "){1,3}"},
    {"hostname", LABEL "(?:\\." LABEL "){0,3}"},
    {"idn-hostname", LABEL "(?:\\." LABEL "){0,3}"},
    {"ipv4", IPV4},
    {"ipv6",
     "(?:" H16 ":){7}" H16 "|(?:" H16 ":){1,7}:|(?:" H16 ":){1,6}:" H16 "|(?:" H16 ":){1,5}(?::" H16 "){1,2}|(?:" H16 ":){1,4}(?::" H16 "){1,3}|(?:" H16
     ":){1,3}(?::" H16 "){1,4}|(?:" H16 ":){1,2}(?::" H16 "){1,5}|" H16 ":(?::" H16 "){1,6}|:(?::" H16 "){1,7}|::"},
    {"uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"},
    {"uri", "[A-Za-z][A-Za-z0-9+.-]*:(?://" AUTHORITY "(?:/" PCHAR "*)*|" PCHAR "+(?:/" PCHAR "*)*)" QUERY FRAGMENT},
    {"iri", "[A-Za-z][A-Za-z0-9+.-]*:(?://" AUTHORITY "(?:/" PCHAR "*)*|" PCHAR "+(?:/" PCHAR "*)*)" QUERY FRAGMENT},
    {"uri-reference", "(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://" AUTHORITY "(?:/" PCHAR "*)*|(?:/" PCHAR "+)*)" QUERY FRAGMENT},
    {"iri-reference", "(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://" AUTHORITY "(?:/" PCHAR "*)*|(?:/" PCHAR "+)*)" QUERY FRAGMENT},
    {"json-pointer", POINTER},
    {"relative-json-pointer", "(?:0|[1-9][0-9]{0,5})(?:#|" POINTER ")"},
    {"byte", "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"},
    // OpenAPI's names for what the type says already.
    {"int32", ""},
    {"int64", ""},
    {"float", ""},
    {"double", ""},
    {"password", ""},
    {"binary", ""},
};

#undef YEAR
#undef LEAP
#undef DATE
#undef TIME
#undef OCTET
#undef IPV4
#undef H16
#undef LABEL
#undef ATEXT
#undef PCT
#undef PCHAR
#undef REG
#undef AUTHORITY
#undef QUERY
#undef FRAGMENT
#undef POINTER

}  // namespace

std::optional<std::string_view> format_pattern(std::string_view format) {
  for (const Format& f : formats) {
    if (f.name == format) return f.pattern;
  }
  return std::nullopt;
}

}  // namespace tashika::grammar
