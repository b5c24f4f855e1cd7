"""Exercise kkt-radius.

d, m_plus, m_minus integers -> (shared, memorising), two floats: r_strict of a positive sample.

Clauses: both classes count in the first, the opposite one in the second; samples of length sqrt(d); one sample of a class;
numbers that do not divide; the order.
"""

import math

import torch

from .. import robustness
from .engine import Exercise, Mistake

REFERENCE = robustness.kkt_radius_orthogonal


def kkt_radius_orthogonal(d, m_plus, m_minus):
    return math.sqrt(d / (m_plus + m_minus)), math.sqrt(d / (1 + m_minus))


PROBES = ((64, 8, 8), (100, 9, 4), (50, 3, 12), (9, 1, 1), (20, 1, 6), (30, 5, 1))


def counts(generator):
    m_plus, m_minus = (int(n) for n in torch.randint(1, 20, (2,), generator=generator))
    return 4 * (m_plus + m_minus) + 1, m_plus, m_minus


def fewer_points_help(answer, d, m_plus, m_minus):
    far, near = (torch.stack(tuple(answer(size, m_plus, m_minus))) for size in (4 * d, d))
    if not torch.allclose(far, 2 * near, rtol=1e-4):
        return "Four times the dimension doubles the length of the points, and both radii with it."


MISTAKES = (
    Mistake(
        (lambda d, p, n: (math.sqrt(d / p), math.sqrt(d / (1 + n))),),
        "Shared: both classes help the attacker. Lowering the own neuron and raising the opposite one share the work among "
        "all m points.",
    ),
    Mistake(
        (lambda d, p, n: (math.sqrt(d / (p + n)), math.sqrt(d / (1 + p))),),
        "The classes are swapped: a positive point is attacked by the m₋ opposite neurons.",
    ),
    Mistake((lambda d, p, n: (d / (p + n), d / (1 + n)),), "These are the squares of the lengths."),
    Mistake(
        (lambda d, p, n: (math.sqrt(d / (p + n)), math.sqrt(d / n)),),
        "Memorising: the point's own neuron has to come down while the m₋ opposite ones go up. That makes 1 + m₋ that help.",
    ),
    Mistake(
        (lambda d, p, n: (1 / math.sqrt(p + n), 1 / math.sqrt(1 + n)),),
        "The points have length sqrt(d), not 1.",
    ),
    Mistake(
        (lambda d, p, n: (math.sqrt(d * (p + n)), math.sqrt(d * (1 + n))),),
        "More points make it worse: s = 1/m, and |δ| = s sqrt(m d).",
    ),
    Mistake(
        (lambda d, p, n: (math.sqrt(d) / (p + n), math.sqrt(d) / (1 + n)),),
        "This is the length of one step s x_j. δ is a sum of orthogonal ones: their squares add up.",
    ),
    Mistake(
        (lambda d, p, n: (math.sqrt(d / n), math.sqrt(d / (1 + n))), lambda d, p, n: (math.sqrt(d / n), math.sqrt(d / n))),
        "Raising the opposite neuron alone leaves the own one at its height: lowering it, too, is shorter.",
    ),
    Mistake(
        (lambda d, p, n: (math.sqrt(d / (p + n)), math.sqrt(d / (p + n))),),
        "Memorising: the other positive points have neurons of their own, which are off at x_i and do not help the attacker.",
    ),
    Mistake(
        (lambda d, p, n: (math.sqrt(d // (p + n)), math.sqrt(d // (1 + n))),),
        "// drops the fraction: divide by /.",
    ),
    Mistake(
        (lambda d, p, n: (math.sqrt(d / (1 + n)), math.sqrt(d / (p + n))),),
        "The order is (shared, memorising).",
    ),
)

EXERCISE = Exercise(
    "kkt-radius",
    "what training finds",
    REFERENCE,
    kkt_radius_orthogonal,
    PROBES,
    random=counts,
    laws=(fewer_points_help,),
    parts=("shared", "memorising"),
    hints=(
        "For a positive point x_i of the shared network, P = [Σ₊<x_j, x>/d]₊ and Q = [Σ₋<x_j, x>/d]₊. P = 1, Q = 0 at x_i. "
        "Move by -s x_j for a positive j, and by +s x_j for a negative one.",
        "Along δ = -s Σ y_j x_j: P falls by s m₊ and Q rises by s m₋, so the sign flips at s = 1/m. How long is δ? The points "
        "are orthogonal, each of length sqrt(d).",
        "Shared: |δ| = s sqrt(m d) = sqrt(d/m). Memorising: only x_i and the m₋ opposite neurons matter, so 1 + m₋ takes the "
        "place of m.",
    ),
    mistakes=MISTAKES,
    differs="The library's function is the same.",
    written=(
        "Cauchy-Schwarz shows that nothing is shorter: y f(x_i + δ) ≥ 1 + <Σ y_j x_j, δ>/d wherever the opposite sum is "
        "positive, as a flip needs (the first [·]₊ is at least its sum), "
        "and |Σ y_j x_j| = sqrt(m d). "
        "For the memorising network take the sum over x_i and those opposite points whose neurons "
        "are on, at most m₋: fewer of them make the way longer."
    ),
)
