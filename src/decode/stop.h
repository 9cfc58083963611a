// Stop strings: text is held back for as long as it may still become one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tashika {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops);

  // Takes the next text and gives what is safe to show. Once a stop string is complete, hit() is true,
  // that string and what follows are dropped, and every later call gives nothing. The result does not
  // depend on how the text is cut into pieces: the stop string that is complete first counts, of
  // several that end together the longest.
  std::string push(std::string_view text);
  std::string finish();  // what was held back
  bool hit() const { return hit_; }
  const std::string& matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;  // longest first
  std::string held_;
  std::string matched_;
  bool hit_ = false;
};

}  // namespace tashika
