// Reading fixtures.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace tashika {

inline std::string read_test_file(const std::string& path) {
  std::ifstream in(std::string(TASHIKA_TEST_DATA) + "/" + path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}
inline Json read_test_json(const std::string& path) { return parse_json(read_test_file(path), path); }

inline std::vector<TokenId> ids_of(const Json& list) {
  std::vector<TokenId> ids;
  for (const Json& id : list.as_array()) ids.push_back(static_cast<TokenId>(id.as_integer()));
  return ids;
}

}  // namespace tashika
