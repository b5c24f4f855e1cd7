"""Exercise robust-network.

X (m, d), y (m,) of -1 and +1, c -> W (k, d), b (k,), a (k,) with y_i f(x_i) >= 1 that the certificate finds as robust as
Theorem 1 says.

Clauses: y_i f(x_i) >= 1, not only the right sign; at least (1 - c)/4 sqrt(d) certified at every point, for every c that
bounds the coherence, 0 and much too large ones among them; any labels, all alike as well; W has a row a neuron.
"""

import math

import torch

from .. import data, radii, robustness
from ..networks import two_layer
from .engine import Exercise, Mistake, WrongResult, comparable
from .inputs import random_points, seeded, tensor

REFERENCE = robustness.robust_network


def build_robust_net(X, y, c):
    d = X.shape[1]
    W = 2 * X / (d * (1 - c))
    b = torch.full_like(y, -(1 + c) / (1 - c))
    return W, b, y


PROBES = (
    (2.0 * tensor([1.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0]), tensor(1.0, -1.0), 0.6),
    (data.equicorrelated(4, 16, 0.1, seeded(1)), tensor(1.0, -1.0, -1.0, 1.0), 0.1),
    (data.equicorrelated(3, 8, 0.6, seeded(2)), tensor(-1.0, -1.0, 1.0), 0.65),
    (2.0 * torch.eye(4, dtype=torch.float64)[:2], tensor(1.0, -1.0), 0.0),
    (data.equicorrelated(3, 5, 0.2, seeded(3)), tensor(-1.0, -1.0, -1.0), 0.5),
    (data.sphere(16, 16, seeded(0)), tensor(*[1.0, -1.0] * 8), 0.6),  # more than a linear function can separate robustly
    (  # one pair is near, the others orthogonal; <col_1, col_2> is 0.48 d: too little
        2.0 * tensor([1.0, 0.0, 0.0, 0.0], [0.8, 0.6, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]),
        tensor(1.0, -1.0, 1.0, -1.0),
        0.8,
    ),
)


def certified_share(answer, X, y, c):
    """Return the share of the theorem's radius that is certified at each point, and y f(x) there, both at most 1."""
    made = answer(X, y, c)
    if not (isinstance(made, tuple) and len(made) == 3):
        raise WrongResult("Return three tensors, W, b, a, of shapes (m, d), (m,), (m,).")
    try:
        W, b, a = (comparable((part,))[0] for part in made)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise WrongResult("W, b and a must hold numbers.") from None
    k, d = len(W) if W.dim() else 0, X.shape[1]
    if W.shape == (d, len(X)) and d != len(X):
        raise WrongResult(f"W has shape {tuple(W.shape)}: turn it round, one row a neuron, (m, d) = {tuple(X.shape)}.")
    b, a = (part.expand(k) if part.dim() == 0 else part for part in (b, a))
    if W.shape != (k, d) or b.shape != (k,) or a.shape != (k,):
        shapes = ", ".join(f"{name} {tuple(part.shape)}" for name, part in zip("Wba", (W, b, a), strict=True))
        raise WrongResult(f"W, b, a must have shapes (m, d), (m,), (m,) with (m, d) = {tuple(X.shape)}; got {shapes}.")
    if not all(part.isfinite().all() for part in (W, b, a)):
        raise WrongResult(f"W, b and a must be finite, also where c = {c:g}.")
    share = radii.certified_radius(W, b, a, X, y) / robustness.theorem_radius(d, c)
    return share.clamp(max=1.0), (y * two_layer(X, W, b, a)).clamp(max=1.0) + 0.0  # no -0


def construction(first=2.0, bias=lambda c: -(1 + c) / (1 - c), below=lambda c: 1 - c, scale=lambda d: d, label=lambda y: 1.0):
    """Return the construction of Theorem 1 with parts replaced."""

    def build(X, y, c):
        factor = first / (scale(X.shape[1]) * below(c))
        return factor * label(y[:, None]) * X, torch.full_like(y, bias(c)), y

    return build


def outer(change):
    """Return the construction of Theorem 1 with other outer weights."""

    def build(X, y, c):
        W, b, a = construction()(X, y, c)
        return W, b, change(a)

    return build


MISTAKES = (
    Mistake(
        (construction(first=1.0),),
        "At no point does f have the sign of the label. a holds the labels, and z_j at x_j, where <x_j, x_j> = d, or c d at x_i, "
        "has to rise from -1 to 1 between the two. (Where w_j is x_j / (d (1 - c)), the factor 2 is missing.)",
    ),
    Mistake(
        (construction(bias=lambda c: (1 + c) / (1 - c)), construction(bias=lambda c: 0.0)),
        "Nothing holds the neurons off away from their point: that takes a negative bias.",
    ),
    Mistake(
        (construction(bias=lambda c: -c / (1 - c)), construction(first=1.0, bias=lambda c: -c / (1 - c))),
        "At x_i, where <x_i, x_j> may be c d, the other neurons are on, or about to be. Put -1 there.",
    ),
    Mistake((outer(torch.ones_like),), "The outer weights are the labels, a_j = y_j: with 1 every output is positive."),
    Mistake((outer(torch.neg),), "The outer weights have the wrong sign: at x_i neuron i is on, and a_i must be y_i."),
    Mistake(
        (outer(lambda a: a / 2), construction(first=1.0, bias=lambda c: -(1 + c) / (1 - c) / 2)),
        "Robust enough, but y_i f(x_i) is 1/2 and the theorem asks for 1: make a twice as large.",
    ),
    Mistake((construction(scale=math.sqrt),), "Divide by d, not by its root: <x_j, x_j> is d."),
    Mistake((construction(scale=lambda d: 1.0),), "Divide by d: <x_j, x_j> is d, and z_j is to be 1 there."),
    Mistake((construction(below=lambda c: 1 + c),), "In w_j the denominator is d (1 - c)."),
    Mistake(
        (construction(bias=lambda c: -1.0, below=lambda c: 1.0),),
        "c is not used: this line goes through (0, -1), and at a point with <x_i, x_j> = c d it is higher.",
    ),
    Mistake(
        (construction(bias=lambda c: -(1 + c)),),
        "The bias is to be divided by 1 - c as well: z_j is 1 at its own point, not more.",
    ),
    Mistake(
        (construction(label=lambda y: y),),
        "Right for the label 1 only. Neuron j must be on at x_j whatever the label is, so w_j is without it; a_j carries it: "
        "-1 or 1.",
    ),
)

EXERCISE = Exercise(
    "robust-network",
    "build the robust network",
    REFERENCE,
    build_robust_net,
    PROBES,
    random=random_points,
    run=certified_share,
    parts=("share of the theorem's radius that is certified, at least", "y f(x) at the points, at least"),
    hints=(
        "One neuron a point. Neuron j should be 1 at its own point x_j and at most -1 at every other. Inner products there: d, "
        "and at most c d.",
        "The line through (d, 1) and (c d, -1) has slope 2 / (d (1 - c)). What is its value at 0?",
        "w_j = 2 x_j / (d (1 - c)), b_j = -(1 + c) / (1 - c), a_j = y_j.",
    ),
    mistakes=MISTAKES,
    differs="The library's function also refuses points, labels and c for which the theorem does not hold.",
    written=(
        "z_j(x) = (2<x_j, x>/d - 1 - c)/(1 - c), which is 1 at x_j and at most (2c - 1 - c)/(1 - c) = -1 at the others. Only "
        "<x_i, x_j> ≤ c d is used, and only there: a negative inner product keeps neuron j off all the better. With any slope "
        "α and β = 1 - α, neuron i stays on for sqrt(d)/α and the others stay off for (1 - c - 1/α) sqrt(d). The smaller of "
        "the two is largest where they are equal, at α = 2/(1 - c): the slide's choice is the best. α = 3, β = -2 do for "
        "every c ≤ 1/3: one third of sqrt(d) is certified then."
    ),
)
