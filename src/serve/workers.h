// Threads that do what would hold up the event loop: parsing, checking and tokenizing requests.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tashika::serve {

class Workers {
 public:
  explicit Workers(int count);
  ~Workers();  // what is queued is dropped
  void add(std::function<void()> work);

 private:
  void loop();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tashika::serve
