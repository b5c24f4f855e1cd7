"""Exercise strict-flip.

r in [-c, c], c in [0, 1) -> g, in units of sqrt(d), a float.
"""

import math

from .. import robustness
from .engine import Exercise, Mistake
from .inputs import uniform

REFERENCE = robustness.strict_flip_radius


def strict_flip_radius(r, c):
    v1, v2 = (1 + c) / 2 - r, -(1 - c) / 2
    if r < v2:
        return v1
    return math.sqrt((v1**2 + v2**2 - 2 * r * v1 * v2) / (1 - r**2))


PROBES = ((0.0, 0.2), (0.1, 0.3), (-0.2, 0.3), (0.25, 0.5), (-0.6, 0.7))


def random_pair(generator):
    c = 0.9 * uniform(generator, 1).item()
    return c * (2 * uniform(generator, 1).item() - 1), c


def falls_with_r(answer, r, c):
    if answer(max(r - 0.01, -c), c) < answer(r, c) - 1e-6:
        return "An opposite point that is nearer (larger r) can't need a longer perturbation; yours does."


def tight_formula(r, c):
    v1, v2 = (1 + c) / 2 - r, -(1 - c) / 2
    return math.sqrt((v1**2 + v2**2 - 2 * r * v1 * v2) / (1 - r**2))


MISTAKES = (
    Mistake(
        (lambda r, c: math.sqrt((1 - r) / 2),),
        "This is half the distance between the points. f is 0 on a whole region in between, so the flip comes later.",
    ),
    Mistake((lambda r, c: (1 + c) / 2 - r,), "Here neuron j switches on, but neuron i may still be on and outweigh it."),
    Mistake((lambda r, c: (1 - c) / 2,), "Here f becomes 0. A strict flip needs y f < 0, beyond the dead zone."),
    Mistake(
        (tight_formula,),
        "For r < -(1 - c)/2 the way to neuron j switches neuron i off by itself: then only one condition is tight.",
    ),
    Mistake((lambda r, c: math.sqrt((1 + c * c) / 2),), "This is right for r = 0 only."),
    Mistake((lambda r, c: (1 - c) / 4,), "This is the theorem's constant, a lower bound for the distance to f = 0."),
)

EXERCISE = Exercise(
    "strict-flip",
    "the strict flip of a pair",
    REFERENCE,
    strict_flip_radius,
    PROBES,
    random=random_pair,
    laws=(falls_with_r,),
    hints=(
        "For y f < 0 neuron j must be on and neuron i must not outweigh it: z_j ≥ 0 and z_j ≥ z_i. Start with both tight, z_i "
        "= z_j = 0.",
        "In units: <x_j, δ> = v₁ d with v₁ = (1 + c)/2 - r, and <x_i, δ> = v₂ d with v₂ = -(1 - c)/2. The shortest such δ lies "
        "in the span of x_i and x_j.",
        "|δ|²/d = (v₁² + v₂² - 2 r v₁ v₂)/(1 - r²). When is it better to drop the condition on z_i? If δ = v₁ x_j alone brings "
        "z_i below 0.",
    ),
    mistakes=MISTAKES,
    written=(
        "With both tight, δ = p x_i + q x_j solves p + r q = v₂, r p + q = v₁, so |δ|² = d (p v₂ + q v₁), the formula. It is "
        "the nearest point of "
        "the convex set if both multipliers have the right sign, -p ≥ 0 and q ≥ 0: the first holds if and only if v₂ ≤ r v₁, "
        "that is r ≥ -(1 - c)/2."
    ),
)
