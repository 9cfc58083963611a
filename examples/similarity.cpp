// similarity MODEL TEXT TEXT: the cosine of two texts' embeddings, and their tokens.
#include <cstdio>

#include <tashika/tashika.h>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s MODEL TEXT TEXT\n", argv[0]);
    return 2;
  }
  try {
    tashika::Model model(argv[1]);
    const std::vector<float> a = model.embed(argv[2]), b = model.embed(argv[3]);
    double cosine = 0;
    for (std::size_t i = 0; i < a.size(); ++i) cosine += static_cast<double>(a[i]) * b[i];
    std::printf("%zu and %zu tokens, cosine %.4f\n", model.tokenize(argv[2]).size(), model.tokenize(argv[3]).size(), cosine);
    return 0;
  } catch (const tashika::Failure& failure) {
    std::fprintf(stderr, "error: %s\n", failure.what());
    return 1;
  }
}
