"""Exercise eta-threshold.

delta0 and g of one shape, |delta0| <= eps -> the smallest eta with clip(delta0 + eta g) = eps sign(g) where g is not
0.
"""

import torch

from .. import attacks
from .engine import Exercise, Mistake
from .inputs import normal, tensor, uniform

REFERENCE = attacks.eta_threshold


def eta_threshold(delta0, g, eps):
    moves = g != 0
    way = eps - g[moves].sign() * delta0[moves]
    return (way / g[moves].abs()).max()


PROBES = (
    (tensor(0.0, 0.05), tensor(2.0, -0.5), 0.1),
    (tensor(0.04, -0.1, 0.02), tensor(-0.5, 0.25, 2.0), 0.1),
    (tensor(-0.15, 0.2, 0.05, 0.1), tensor(4.0, 1.0, 0.0, 0.8), 0.2),
)


def random_threshold(generator):
    return 0.2 * uniform(generator, 5) - 0.1, normal(generator, 5), 0.1


def threshold_is_sharp(answer, delta, gradient, epsilon):
    eta, corner = answer(delta, gradient, epsilon), epsilon * gradient.sign()
    above, below = ((delta + eta * (1 + side) * gradient).clamp(-epsilon, epsilon) for side in (1e-4, -1e-2))
    if not torch.allclose(above, corner, atol=1e-9) or torch.allclose(below, corner, atol=1e-9):
        return "Just above your η the clipped step must be ε·sign(g), and just below it must not."


def thresholds(delta, gradient, epsilon):
    moved = gradient != 0
    return (epsilon - gradient[moved].sign() * delta[moved]) / gradient[moved].abs()


MISTAKES = (
    Mistake(
        (lambda d, g, e: e / g[g != 0].abs().min(),),
        "This is right for a start at 0; entries that start elsewhere have a shorter or a longer way.",
    ),
    Mistake(
        (lambda d, g, e: 2 * e / g[g != 0].abs().min(),),
        "This η is large enough for every start, but it is not the smallest for this one.",
    ),
    Mistake(
        (lambda d, g, e: ((e + g[g != 0].sign() * d[g != 0]) / g[g != 0].abs()).max(),),
        "The distance to the edge in the direction of g is ε - s δ, with s = sign(g); yours has the sign of δ turned round.",
    ),
    Mistake(
        (lambda d, g, e: ((e - d[g != 0].abs()) / g[g != 0].abs()).max(),),
        "ε - |δ| is the distance to the nearest edge; the entry moves to the edge that sign(g) points at.",
    ),
    Mistake((lambda d, g, e: thresholds(d, g, e).min(),), "All entries have to arrive, so the slowest counts: max, not min."),
    Mistake(
        (lambda d, g, e: ((e - g.sign() * d) / g.abs()).max(),),
        "Entries with g_i = 0 never move and are not asked to: leave them out.",
    ),
)

EXERCISE = Exercise(
    "eta-threshold",
    "when does only the sign matter?",
    REFERENCE,
    eta_threshold,
    PROBES,
    random=random_threshold,
    laws=(threshold_is_sharp,),
    hints=(
        "Take one entry. It starts at δ_i and moves by η g_i. How far is it from the edge that it moves towards?",
        "With s_i = sign(g_i) the edge is ε s_i, the distance ε - s_i δ_i, the speed |g_i|. Every entry has to arrive.",
        "The largest of (ε - s_i δ_i) / |g_i| over the entries with g_i ≠ 0.",
    ),
    mistakes=MISTAKES,
    written=(
        "Fix i with g_i ≠ 0, s = sign(g_i). Clipping gives ε s exactly when s(δ_i + η g_i) ≥ ε, that is s δ_i + η |g_i| ≥ ε, "
        "that is η ≥ (ε - s δ_i)/|g_i|. All i together: η ≥ the maximum. Entries with g_i = 0 stay at δ_i."
    ),
)
