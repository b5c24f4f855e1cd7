"""Exercise coherence.

X (m, d), rows of length sqrt(d) -> max over i != j of |<x_i, x_j>| / d, a float.
"""

import math

import torch

from .. import data, robustness
from .engine import Exercise, Mistake
from .inputs import gram, seeded, tensor

REFERENCE = robustness.coherence


def coherence(X):
    products = (X @ X.T).fill_diagonal_(0)
    return products.abs().max() / X.shape[1]


PROBES = (
    (math.sqrt(2) * tensor([1.0, 0.0], [0.6, 0.8]),),
    (math.sqrt(3) * tensor([1.0, 0.0, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.28, 0.96]),),
    (data.sphere(5, 7, seeded(1)),),
)


def blind_to_signs(answer, X):
    turned = torch.cat([-X[:1], X[1:]])
    if not torch.allclose(answer(turned), answer(X), atol=1e-5):
        return "Turning x_1 into -x_1 changes no |<x_i, x_j>|, so the coherence must stay."


MISTAKES = (
    Mistake((lambda X: (X @ X.T).abs().max() / X.shape[1],), "A point with itself gives |x_i|²/d = 1: leave out the diagonal."),
    Mistake((lambda X: gram(X).fill_diagonal_(-torch.inf).max() / X.shape[1],), "The size counts: take |<x_i, x_j>|."),
    Mistake((lambda X: gram(X).abs().max(),), "Divide by d: c compares <x_i, x_j> with |x_i|² = d."),
    Mistake(
        (lambda X: gram(X).abs().max() / math.sqrt(X.shape[1]),),
        "Divide by d, not by its root: both points have length sqrt(d).",
    ),
    Mistake(
        (
            lambda X: gram(X).abs().sum() / (len(X) * (len(X) - 1) * X.shape[1]),
            lambda X: gram(X).abs().mean() / X.shape[1],
        ),
        "The theorem needs a bound for every pair, so the largest value counts, not the mean.",
    ),
)

EXERCISE = Exercise(
    "coherence",
    "coherence",
    REFERENCE,
    coherence,
    PROBES,
    random=lambda generator: (data.sphere(6, 5, generator),),
    laws=(blind_to_signs,),
    hints=(
        "X @ X.T holds all inner products. Which of its entries belong to pairs i ≠ j?",
        "On the diagonal stands |x_i|² = d: take it out before the maximum. Both signs of <x_i, x_j> count.",
        "(X @ X.T).fill_diagonal_(0).abs().max() / d",
    ),
    mistakes=MISTAKES,
    written=("For random points c is about sqrt(4 log(m) / d): it falls with d, and rises slowly with m."),
)
