"""Exercise coherence.

X (m, d), m >= 2 rows of length sqrt(d) -> max over i != j of |<x_i, x_j>| / d, a float.

Clauses: every pair of different rows, also of equal ones; both signs; in units of d; the largest; m may exceed d.
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
    (math.sqrt(2) * tensor([1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]),),  # with its opposite: 1
    (math.sqrt(2) * tensor([0.6, 0.8], [0.6, 0.8]),),  # twice: 1
    (2.0 * tensor([1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]),),  # orthogonal: 0
    (math.sqrt(2) * tensor([1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.6, 0.8]),),  # the last two are equal: 1
    (data.sphere(5, 7, seeded(1)),),
)


def random_sphere(generator):
    m, d = (int(torch.randint(2, most, (), generator=generator)) for most in (8, 13))
    return (data.sphere(m, d, generator),)


def blind_to_signs(answer, X):
    turned = torch.cat([-X[:1], X[1:]])
    if not torch.allclose(answer(turned), answer(X), atol=1e-5):
        return "Turning x_1 into -x_1 changes no |<x_i, x_j>|, so the coherence must stay."


MISTAKES = (
    Mistake(
        (lambda X: (X @ X.T).abs().max() / X.shape[1],),
        "Your result is 1 for all points, as |x_i|²/d is, a point with itself: leave out the diagonal, and start a maximum at 0.",
    ),
    Mistake(
        (
            lambda X: gram(X).fill_diagonal_(-torch.inf).max() / X.shape[1],
            lambda X: gram(X).max() / X.shape[1],
        ),
        "The size counts: take |<x_i, x_j>|.",
    ),
    Mistake((lambda X: gram(X).abs().max(),), "Divide by d: c compares <x_i, x_j> with |x_i|² = d."),
    Mistake(
        (lambda X: gram(X).abs().max() / math.sqrt(X.shape[1]),),
        "Divide by d, not by its root: both points have length sqrt(d).",
    ),
    Mistake((lambda X: gram(X).abs().max() / len(X),), "Divide by d, the dimension of the points, not by their number m."),
    Mistake(
        (
            lambda X: gram(X).abs().sum() / (len(X) * (len(X) - 1) * X.shape[1]),
            lambda X: gram(X).abs().mean() / X.shape[1],
        ),
        "The theorem needs a bound for every pair, so the largest value counts, not the mean.",
    ),
    Mistake(
        (lambda X: gram(X.T).abs().max() / X.shape[1],),
        "X.T @ X holds the inner products of the columns. The points are the rows: X @ X.T.",
    ),
    Mistake(
        (lambda X: (X[:-1] * X[1:]).sum(1).abs().max() / X.shape[1],),
        "Every pair of rows counts, not only a row and the next one.",
    ),
)

EXERCISE = Exercise(
    "coherence",
    "coherence",
    REFERENCE,
    coherence,
    PROBES,
    random=random_sphere,
    laws=(blind_to_signs,),
    hints=(
        "X @ X.T holds all inner products. Which of its entries belong to pairs i ≠ j?",
        "On the diagonal stands |x_i|² = d: take it out before the maximum. Both signs of <x_i, x_j> count.",
        "(X @ X.T).fill_diagonal_(0).abs().max() / d",
    ),
    mistakes=MISTAKES,
    differs="The library's function also refuses points that are not on the sphere of radius sqrt(d), and returns a float.",
    written=(
        "For random points c is about sqrt(4 log(m) / d): it falls with d, and rises slowly with m. At most d points are "
        "orthogonal. For m > d the matrix of all <x_i, x_j>/d has trace m and rank d at most, so its squares add up to m²/d "
        "or more; the diagonal gives m of them, the other m(m - 1) entries at most c² each. Hence c ≥ sqrt((m - d)/(d(m - 1))): "
        "1/d for m = d + 1, which the corners of a regular simplex attain."
    ),
)
