"""Exercise projection.

delta and x of one shape, eps float >= 0, lo <= x <= hi -> the point nearest to delta with |delta_i| <= eps and
lo <= x_i + delta_i <= hi. Any shape. Entries that are inside both stay. lo and hi are 0 and 1 where they are not given, and
need not be symmetric. eps = 0 gives zeros, a large eps leaves only the box.
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
    (tensor(0.3, 0.0, -0.2), tensor(0.5, 0.5, 0.9), 0.0),
    (tensor([0.9, -0.6], [0.1, -0.2]), tensor([0.4, 0.3], [0.7, 0.35]), 0.5, 0.25, 0.75),
    (tensor(-3.0), tensor(0.4), 2.0),
)


def random_projection(generator):
    rows, columns, size = (int(torch.randint(3, (), generator=generator)) for _ in range(3))
    lo, hi = -2 * uniform(generator, 1).item(), 0.5 + uniform(generator, 1).item()
    shape = (rows + 1, columns + 1) if size else (columns + 4,)
    x = lo + (hi - lo) * uniform(generator, *shape)
    return normal(generator, *shape), x, (0.05, 0.3, 1.5)[size], lo, hi


def idempotent(answer, delta, x, epsilon, lo, hi):
    once = answer(delta, x, epsilon, lo, hi)
    if not torch.allclose(once, answer(once, x, epsilon, lo, hi), atol=1e-6):
        return "A projection leaves alone what it has already projected; yours moves it again."


def inside(answer, delta, x, epsilon, lo, hi):
    far = answer(1000 * delta, x, epsilon, lo, hi)
    if (far.abs() > epsilon + 1e-6).any() or (x + far < lo - 1e-6).any() or (x + far > hi + 1e-6).any():
        return "With 1000 times this delta the result must still lie in the ball and in the box."


def entry_by_entry(answer, delta, x, epsilon, lo, hi):
    alone = answer(delta[-1:], x[-1:], epsilon, lo, hi)
    if not torch.allclose(alone, answer(delta, x, epsilon, lo, hi)[-1:], atol=1e-6):
        return "Each entry is cut alone: the last one must not depend on the others."


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
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: d.clamp(-e, e),), "The pixel box is missing: x + δ must stay in [lo, hi].", example=1
    ),
    Mistake((lambda d, x, e, lo=0.0, hi=1.0: in_box(d, x, lo, hi),), "The ball is missing: every |δ_i| must be at most ε."),
    Mistake(
        (
            lambda d, x, e, lo=0.0, hi=1.0: d.clamp(-e, e).clamp(lo, hi),
            lambda d, x, e, lo=0.0, hi=1.0: d.clamp(lo, hi).clamp(-e, e),
        ),
        "lo and hi are the box of x + δ, and not of δ.",
    ),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: (x + d.clamp(-e, e)).clamp(lo, hi),),
        "This is the perturbed image x + δ; the perturbation δ alone is asked for.",
    ),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: x - (x + d.clamp(-e, e)).clamp(lo, hi),),
        "The sign is turned round: δ is the perturbed image minus x.",
    ),
    Mistake(
        (
            lambda d, x, e, lo=0.0, hi=1.0: (x + d).clamp(-e, e).clamp(lo, hi) - x,
            lambda d, x, e, lo=0.0, hi=1.0: (x + d).clamp(-e, e),
            lambda d, x, e, lo=0.0, hi=1.0: (x + d).clamp(-e, e) - x,
        ),
        "The ball is around x: cut δ to [-ε, ε], not x + δ.",
    ),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: e * d.sign(), lambda d, x, e, lo=0.0, hi=1.0: in_box(e * d.sign(), x, lo, hi)),
        "ε·sign(δ) moves every entry to the edge; entries inside the ball stay where they are.",
    ),
    Mistake(
        (
            lambda d, x, e, lo=0.0, hi=1.0: torch.where(d.abs() <= e, d, 0.0),
            lambda d, x, e, lo=0.0, hi=1.0: in_box(torch.where(d.abs() <= e, d, 0.0), x, lo, hi),
        ),
        "An entry outside the ball goes to the nearest edge of it, and not to 0.",
    ),
    Mistake(
        (
            lambda d, x, e, lo=0.0, hi=1.0: in_box(d.clamp(max=e), x, lo, hi),
            lambda d, x, e, lo=0.0, hi=1.0: in_box(d.clamp(min=-e), x, lo, hi),
            lambda d, x, e, lo=0.0, hi=1.0: in_box(d.clamp(0, e), x, lo, hi),
        ),
        "The ball has two sides: every entry must be at least -ε and at most ε.",
    ),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: in_box(d.clamp(-e, e), x, 0.0, 1.0),),
        "The box is given by lo and hi; yours is always [0, 1].",
        example=5,
    ),
    Mistake(
        (lambda d, x, e, lo=0.0, hi=1.0: in_box(d.clamp(-e, e), x, -hi, hi),),
        "The box is given by lo and hi; yours is symmetric around 0.",
    ),
)

EXERCISE = Exercise(
    "projection",
    "projection",
    REFERENCE,
    project_linf,
    PROBES,
    random=random_projection,
    laws=(idempotent, inside, entry_by_entry),
    hints=(
        "Two conditions, entry by entry: |δ_i| ≤ ε, and lo ≤ x_i + δ_i ≤ hi. Both are intervals for δ_i.",
        "clamp cuts to an interval. Cut δ to the ball, add x, cut to the box. What must be taken away in the end?",
        "(x + delta.clamp(-eps, eps)).clamp(lo, hi) - x",
    ),
    mistakes=MISTAKES,
    written=(
        "On paper: the squared distance is a sum with one term an entry, and ball and box are products of intervals, one an "
        "entry. So each term is made small alone, by cutting its entry to its interval. Both intervals contain 0, hence they "
        "overlap, and it does not matter which cut comes first."
    ),
    differs=(
        "The library cuts δ to max(-ε, lo - x) ≤ δ ≤ min(ε, hi - x), rounded inwards, so that x + δ stays in the box to the last "
        "bit."
    ),
)
