"""Fits the polynomials of src/backend/cpu/isa/math.h: near-minimax by iteratively reweighted least
squares in double, coefficients then rounded to float one by one from the lowest, refitting the rest.

    python fit_math.py      (needs numpy)
"""
import math

import numpy as np

erf = np.vectorize(math.erf)
erfc = np.vectorize(math.erfc)


def fit(x, target, weight, powers, rounds=60):
    """Coefficients c with weight * |target - sum c_i x^powers_i| near its smallest maximum."""
    fixed = {}
    for i, power in enumerate(powers):
        rest = [p for p in powers if p not in fixed]
        y = target - sum(c * x**p for p, c in fixed.items())
        basis = np.stack([x**p for p in rest], axis=1)
        scale = np.abs(basis).max(axis=0)
        w = np.ones_like(x)
        for _ in range(rounds):
            c, *_ = np.linalg.lstsq(basis / scale * (weight * np.sqrt(w))[:, None], y * weight * np.sqrt(w), rcond=None)
            error = np.abs((y - basis / scale @ c) * weight)
            w = np.maximum(w * (error / error.max() + 1e-6), 1e-12)
            w /= w.mean()
        fixed[power] = float(np.float32((c / scale)[0]))
    error = (target - sum(c * x**p for p, c in fixed.items())) * weight
    return [fixed[p] for p in powers], np.abs(error).max()


def show(name, coefficients, error):
    print(f"{name}: largest weighted error {error:.3g} = 2^{np.log2(error):.1f}")
    for c in coefficients:
        print(f"    {float(c).hex()}f  // {c:.9g}")


def nodes(low, high, n=4001):
    return (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)


# exp(r) = 1 + r + r^2 q(r), |r| <= ln 2 / 2
r = nodes(-0.3475, 0.3475)
show("exp", *fit(r, np.exp(r) - 1 - r, 1 / np.exp(r), [2, 3, 4, 5, 6, 7]))
# log(1 + f) = f - f^2/2 + f^3 q(f), f in [sqrt(1/2) - 1, sqrt(2) - 1]
f = nodes(np.sqrt(0.5) - 1, np.sqrt(2) - 1)
show("log", *fit(f, np.log1p(f) - f + f * f / 2, 1 / np.maximum(np.abs(np.log1p(f)), 1e-3), [3, 4, 5, 6, 7, 8, 9, 10, 11]))
# tanh(x) = x + x^3 q(x^2), |x| <= 0.6
x = nodes(1e-3, 0.63)
show("tanh", *fit(x, np.tanh(x) - x, 1 / np.tanh(x), [3, 5, 7, 9, 11, 13]))
# erf(x) = x + x q(x^2), |x| <= 0.93
x = nodes(1e-3, 0.93)
show("erf small", *fit(x, erf(x) - x, 1 / erf(x), [1, 3, 5, 7, 9, 11, 13]))
# erf(x) = 1 - exp(-x p(x)), 0.93 <= x <= 3.95 (beyond it rounds to 1)
x = nodes(0.92, 3.96)
show("erf large", *fit(x, -np.log(erfc(x)), erfc(x) / erf(x), [1, 2, 3, 4, 5, 6, 7]))
