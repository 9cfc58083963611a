// generate MODEL "TEXT": continues a text and prints it as it is made.
#include <cstdio>

#include <tashika/tashika.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
    return 2;
  }
  try {
    tashika::Model model(argv[1]);
    const tashika::Answer answer = model.generate(argv[2], {.max_tokens = 32, .seed = 1}, [](std::string_view piece) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      return true;
    });
    std::printf("\n");
    std::fprintf(stderr, "%zu tokens, ended by: %s\n", answer.ids.size(), answer.finish.c_str());
    return 0;
  } catch (const tashika::Failure& failure) {
    std::fprintf(stderr, "error: %s\n", failure.what());
    return 1;
  }
}
