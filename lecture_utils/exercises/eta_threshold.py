"""Exercise eta-threshold.

delta0 and g of one shape, |delta0| <= eps, eps float >= 0 -> the smallest eta* >= 0 such that for every eta >= eta* the
clipped step clip(delta0 + eta g) is eps sign(g) wherever g is not 0, a float. Entries with g = 0 ask for nothing, and a g of
zeros gives 0. Slopes of both signs, starts on both edges, starts in the corner itself (0), any shape.
"""

import torch

from .. import attacks
from .engine import Exercise, Mistake
from .inputs import normal, tensor, uniform

REFERENCE = attacks.eta_threshold


def eta_threshold(delta0, g, eps):
    moves = g != 0
    if not moves.any():
        return 0.0
    way = eps - g[moves].sign() * delta0[moves]
    return (way / g[moves].abs()).max()


PROBES = (
    (tensor(0.0, 0.05), tensor(2.0, -0.5), 0.1),
    (tensor(0.04, -0.1, 0.02), tensor(-0.5, 0.25, 2.0), 0.1),
    (tensor(-0.15, 0.2, 0.05, 0.1), tensor(4.0, 1.0, 0.0, 0.8), 0.2),
    (tensor(0.1, -0.05), tensor(0.0, 0.0), 0.1),  # nothing moves
    (tensor(0.2, -0.2), tensor(0.5, -3.0), 0.2),  # the start is the corner
    (tensor([0.1, -0.3], [0.0, 0.3]), tensor([-1.0, 0.0], [0.25, -2.0]), 0.3),
    (tensor(-0.1), tensor(-0.5), 0.4),
    (tensor(0.0, 0.0), tensor(0.001, -2.0), 0.0),
    (tensor(0.02, 0.0), tensor(1e-7, -3.0), 0.1),  # small, but not 0
)


def random_threshold(generator):
    n, epsilon = 1 + int(torch.randint(5, (), generator=generator)), 0.05 + 0.3 * uniform(generator, 1).item()
    start, slope = epsilon * (2 * uniform(generator, n) - 1), normal(generator, n)
    return start, slope * (uniform(generator, n) < 0.8), epsilon


def sharp(answer, delta, gradient, epsilon):
    eta, moves = answer(delta, gradient, epsilon), gradient != 0
    corner = (epsilon * gradient.sign())[moves]
    above, below = ((delta + eta * side * gradient).clamp(-epsilon, epsilon)[moves] for side in (1.0001, 0.99))
    if not torch.allclose(above, corner, atol=1e-6):
        return "Just above your η some entry with g_i ≠ 0 has not arrived at ε·sign(g_i)."
    if moves.any() and torch.allclose(below, corner, atol=1e-9):
        return "Just below your η every entry has arrived already: it is not the smallest."


def homogeneous(answer, delta, gradient, epsilon):
    eta = answer(delta, gradient, epsilon)
    if not torch.allclose(answer(delta, gradient / 1e12, epsilon), 1e12 * eta, rtol=1e-4, atol=1e-9):
        return "For a gradient that is 10¹² times shorter the threshold is 10¹² times larger."


def thresholds(delta, gradient, epsilon):
    moved = gradient != 0
    return ways(delta, gradient, epsilon) / gradient[moved].abs()


def ways(delta, gradient, epsilon):
    moved = gradient != 0
    return epsilon - gradient[moved].sign() * delta[moved]


def largest(values):
    return values.max() if values.numel() else 0.0


MISTAKES = (
    Mistake(
        (lambda d, g, e: largest(e / g[g != 0].abs()),),
        "This is right for a start at 0; entries that start elsewhere have a shorter or a longer way.",
    ),
    Mistake(
        (lambda d, g, e: largest(2 * e / g[g != 0].abs()),),
        "This η is large enough for every start, but it is not the smallest for this one.",
    ),
    Mistake(
        (lambda d, g, e: largest((e + g[g != 0].sign() * d[g != 0]) / g[g != 0].abs()),),
        "The distance to the edge in the direction of g is ε - s δ, with s = sign(g); yours has the sign of δ turned round.",
    ),
    Mistake(
        (lambda d, g, e: largest((e - d[g != 0]) / g[g != 0].abs()),),
        "ε - δ is the way to the upper edge; where g is negative the entry goes to the lower one, and its way is ε + δ.",
    ),
    Mistake(
        (lambda d, g, e: largest((e + d[g != 0]) / g[g != 0].abs()),),
        "ε + δ is the way to the lower edge; where g is positive the entry goes to the upper one, and its way is ε - δ.",
    ),
    Mistake(
        (lambda d, g, e: largest((e - d[g != 0].abs()) / g[g != 0].abs()),),
        "ε - |δ| is the distance to the nearest edge; the entry moves to the edge that sign(g) points at.",
    ),
    Mistake(
        (lambda d, g, e: largest((e + d[g != 0].abs()) / g[g != 0].abs()),),
        "ε + |δ| is the distance to the farthest edge; the entry moves to the edge that sign(g) points at.",
    ),
    Mistake(
        (
            lambda d, g, e: largest((e - d[g != 0]) / g[g != 0]),
            lambda d, g, e: largest((e - g[g != 0].sign() * d[g != 0]) / g[g != 0]),
        ),
        "The speed of an entry is |g_i|: divided by g_i itself, an entry with a negative slope counts with the wrong sign.",
    ),
    Mistake(
        (lambda d, g, e: thresholds(d, g, e).min() if (g != 0).any() else 0.0,),
        "All entries have to arrive, so the slowest counts: max, not min.",
    ),
    Mistake(
        (lambda d, g, e: thresholds(d, g, e).mean() if (g != 0).any() else 0.0,),
        "All entries have to arrive, so the slowest counts: max, not the mean.",
    ),
    Mistake(
        (lambda d, g, e: thresholds(d, g, e).sum(),),
        "The entries move at the same time: the slowest counts, not the sum.",
    ),
    Mistake(
        (lambda d, g, e: ways(d, g, e).max() / g[g != 0].abs().min() if (g != 0).any() else 0.0,),
        "The longest way and the smallest speed may belong to different entries: divide entry by entry, then take the largest.",
    ),
    Mistake(
        (
            lambda d, g, e: ((e - g.sign() * d) / g.abs()).max(),
            lambda d, g, e: ((e * g.sign() - d) / g).max(),
            lambda d, g, e: ((e - g.sign() * d) / g.abs()).nan_to_num(0.0, posinf=torch.inf).max(),
            *(
                lambda d, g, e, tiny=tiny: ((e - g.sign() * d) / (g.abs() + tiny)).max()
                for tiny in (1e-6, 1e-8, 1e-9, 1e-10, 1e-12)
            ),
            *(
                lambda d, g, e, tiny=tiny: ((e - g.sign() * d) / g.abs().clamp_min(tiny)).max()
                for tiny in (1e-6, 1e-8, 1e-9, 1e-10, 1e-12)
            ),
        ),
        "Entries with g_i = 0 never move and are not asked to: leave them out.",
        example=5,
    ),
    Mistake(
        (lambda d, g, e: largest(thresholds(d, g, e)) if (g != 0).any() else torch.inf,),
        "A gradient of zeros asks for nothing, so every η is large enough: 0.",
    ),
)

EXERCISE = Exercise(
    "eta-threshold",
    "when does only the sign matter?",
    REFERENCE,
    eta_threshold,
    PROBES,
    random=random_threshold,
    laws=(sharp, homogeneous),
    hints=(
        "Take one entry. It starts at δ_i and moves by η g_i. How far is it from the edge that it moves towards?",
        "With s_i = sign(g_i) the edge is ε s_i, the distance ε - s_i δ_i, the speed |g_i|. Every entry has to arrive.",
        "The largest of (ε - s_i δ_i) / |g_i| over the entries with g_i ≠ 0; 0 if there are none.",
    ),
    mistakes=MISTAKES,
    written=(
        "On paper: fix i with g_i ≠ 0, s = sign(g_i). Clipping gives ε s exactly when s(δ_i + η g_i) ≥ ε, that is "
        "s δ_i + η |g_i| ≥ ε, that is η ≥ (ε - s δ_i)/|g_i|. All i together: if and only if η ≥ the maximum. It is not negative, "
        "since |δ_i| ≤ ε. Entries with g_i = 0 stay at δ_i, and need not be at 0."
    ),
    differs="The library's function returns a Python float.",
)
