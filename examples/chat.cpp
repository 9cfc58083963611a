// chat MODEL: answers each line of its input; the conversation is remembered.
#include <cstdio>
#include <iostream>
#include <string>

#include <tashika/tashika.h>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s MODEL\n", argv[0]);
    return 2;
  }
  try {
    tashika::Model model(argv[1]);
    tashika::Chat chat(model, "You are helpful.", {.max_tokens = 64});
    for (std::string line; std::getline(std::cin, line);) {
      chat.say(line, [](std::string_view piece) {
        std::cout << piece << std::flush;
        return true;
      });
      std::cout << "\n";
    }
    return 0;
  } catch (const tashika::Failure& failure) {
    std::fprintf(stderr, "error: %s\n", failure.what());
    return 1;
  }
}
