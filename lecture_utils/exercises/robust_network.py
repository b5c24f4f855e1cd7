"""Exercise robust-network.

X (m, d), y (m,) of -1 and +1, c -> W (m, d), b (m,), a (m,) that the certificate finds as robust as Theorem 1 says.
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
    (data.equicorrelated(2, 9, 0.4, seeded(0)), tensor(1.0, -1.0), 0.4),
    (data.equicorrelated(4, 16, 0.1, seeded(1)), tensor(1.0, -1.0, -1.0, 1.0), 0.1),
    (data.equicorrelated(3, 8, 0.6, seeded(2)), tensor(-1.0, -1.0, 1.0), 0.65),
)


def certified_share(answer, X, y, c):
    """Return the share of the theorem's radius that is certified at each point, at most 1, and the margins.

    Any network that passes is right, so its margins are shown as 1.
    """
    made = answer(X.clone(), y.clone(), c)
    if not (isinstance(made, tuple) and len(made) == 3):
        raise WrongResult("Return three tensors, W, b, a, of shapes (m, d), (m,), (m,).")
    W, b, a = comparable(made)
    b, a = b.expand(len(W)), a.expand(len(W))
    share = (radii.certified_radius(W, b, a, X, y) / robustness.theorem_radius(X.shape[1], c)).clamp(max=1.0)
    margins = y * two_layer(X, W, b, a) + 0.0  # no -0
    margins = torch.ones_like(margins) if (share > 1 - 1e-6).all() else margins
    return share, margins


def construction(first=2.0, bias=lambda c: -(1 + c) / (1 - c), below=lambda c: 1 - c, scale=lambda d: d, label=lambda y: 1.0):
    """Return the construction of Theorem 1 with parts replaced."""

    def build(X, y, c):
        factor = first / (scale(X.shape[1]) * below(c))
        return factor * label(y[:, None]) * X, torch.full_like(y, bias(c)), y

    return build


MISTAKES = (
    Mistake(
        (construction(first=1.0),),
        "The factor 2 in w_j is missing: z_j has to rise from -1 to 1 over a distance of d (1 - c).",
    ),
    Mistake(
        (construction(bias=lambda c: (1 + c) / (1 - c)),),
        "The bias has the wrong sign: it must hold neurons off away from their point.",
    ),
    Mistake(
        (construction(bias=lambda c: -c / (1 - c)),),
        "With the bias -c/(1 - c) the other neurons are on at x_i, where <x_i, x_j> may be c d. Put -1 there.",
    ),
    Mistake(
        (lambda X, y, c: (*construction()(X, y, c)[:2], torch.ones_like(y)),),
        "The outer weights are the labels, a_j = y_j: with 1 every output is positive.",
    ),
    Mistake((construction(scale=math.sqrt),), "Divide by d, not by its root: <x_j, x_j> is d."),
    Mistake((construction(below=lambda c: 1 + c),), "In w_j the denominator is d (1 - c)."),
    Mistake(
        (construction(label=lambda y: y),),
        "The label stands in w_j as well as in a_j: neuron j must be on at x_j, whatever its label is.",
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
    parts=("share of the theorem's radius that is certified", "y f(x) at the points"),
    hints=(
        "One neuron a point. Neuron j should be 1 at its own point x_j and at most -1 at every other. Inner products there: d, "
        "and at most c d.",
        "The line through (d, 1) and (c d, -1) has slope 2 / (d (1 - c)). What is its value at 0?",
        "w_j = 2 x_j / (d (1 - c)), b_j = -(1 + c) / (1 - c), a_j = y_j.",
    ),
    mistakes=MISTAKES,
    written=(
        "z_j(x) = (2<x_j, x>/d - 1 - c)/(1 - c), which is 1 at x_j and at most (2c - 1 - c)/(1 - c) = -1 at the others. Any "
        "network passes for which the certificate of exercise 2.3 is at least (1 - c)/4 sqrt(d)."
    ),
)
