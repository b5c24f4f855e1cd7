"""Exercise projection.

delta and x of one shape, eps float -> the nearest delta with |delta_i| <= eps and lo <= x + delta <= hi.
"""

import torch

from .. import attacks
from .engine import Exercise, Mistake
from .inputs import normal, scaled, tensor, uniform

REFERENCE = attacks.project_linf


def project_linf(delta, x, eps, lo=0.0, hi=1.0):
    return (x + delta.clamp(-eps, eps)).clamp(lo, hi) - x


PROBES = (
    (tensor(0.3, -0.05), tensor(0.5, 0.5), 0.1),
    (tensor(0.3, -0.4, 0.02), tensor(0.95, 0.1, 0.5), 0.2),
    (tensor(-0.9, 0.7, 0.1, 0.0), tensor(0.3, 0.9, 0.0, 1.0), 0.5),
    (tensor(-0.9, 0.7, 0.3), tensor(-0.8, 0.9, 0.0), 0.5, -1.0, 1.0),
)


def random_projection(generator):
    x = uniform(generator, 6)
    return normal(generator, 6), x, 0.3


def idempotent(answer, delta, x, epsilon):
    once = answer(delta, x, epsilon)
    if not torch.allclose(once, answer(once, x, epsilon), atol=1e-6):
        return "A projection leaves alone what it has already projected; yours moves it again."


def in_box(delta, x, lo, hi):
    return (x + delta).clamp(lo, hi) - x


MISTAKES = (
    Mistake(
        (
            lambda d, x, e, lo=0.0, hi=1.0: in_box(scaled(d, e, d.abs().max()), x, lo, hi),
            lambda d, x, e, lo=0.0, hi=1.0: scaled(d, e, d.abs().max()),
        ),
        "Rescaling the whole δ also shrinks entries that were small enough; the nearest point cuts each entry alone.",
    ),
    Mistake(
        (
            lambda d, x, e, lo=0.0, hi=1.0: in_box(scaled(d, e, d.norm()), x, lo, hi),
            lambda d, x, e, lo=0.0, hi=1.0: scaled(d, e, d.norm()),
        ),
        "This is the projection onto the Euclidean ball; the norm here is the largest entry.",
    ),
    Mistake((lambda d, x, e, lo=0.0, hi=1.0: d.clamp(-e, e),), "The pixel box is missing: x + δ must stay in [lo, hi]."),
    Mistake((lambda d, x, e, lo=0.0, hi=1.0: in_box(d, x, lo, hi),), "The ball is missing: every |δ_i| must be at most ε."),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: (x + d.clamp(-e, e)).clamp(lo, hi),),
        "This is the perturbed image x + δ; the perturbation δ alone is asked for.",
    ),
    Mistake(
        (
            lambda d, x, e, lo=0.0, hi=1.0: (x + d).clamp(-e, e).clamp(lo, hi) - x,
            lambda d, x, e, lo=0.0, hi=1.0: (x + d).clamp(-e, e),
        ),
        "The ball is around x: cut δ to [-ε, ε], not x + δ.",
    ),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: e * d.sign(), lambda d, x, e, lo=0.0, hi=1.0: in_box(e * d.sign(), x, lo, hi)),
        "ε·sign(δ) moves every entry to the edge; entries inside the ball stay where they are.",
    ),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: in_box(d.clamp(-e, e), x, 0.0, 1.0),),
        "The box is given by lo and hi; yours is always [0, 1].",
    ),
)

EXERCISE = Exercise(
    "projection",
    "projection",
    REFERENCE,
    project_linf,
    PROBES,
    random=random_projection,
    laws=(idempotent,),
    hints=(
        "Two conditions, entry by entry: |δ_i| ≤ ε, and lo ≤ x_i + δ_i ≤ hi. Both are intervals for δ_i.",
        "clamp cuts to an interval. Cut δ to the ball, add x, cut to the box. What must be taken away in the end?",
        "(x + delta.clamp(-eps, eps)).clamp(lo, hi) - x",
    ),
    mistakes=MISTAKES,
    written=("Ball and box are products of intervals, so cutting entry by entry gives the nearest point of both."),
)
