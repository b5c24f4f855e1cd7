"""Exercise strict-flip.

r in [-c, c], c in [0, 1) -> g, in units of sqrt(d), a float.

Clauses: both conditions, z_j >= 0 and z_j >= z_i; where only one is tight, r < -(1 - c)/2, that one alone; r of both signs
and 0, c = 0, r = c.
"""

import math

from .. import robustness
from .engine import Exercise, Mistake
from .inputs import uniform

REFERENCE = robustness.strict_flip_radius


def strict_flip_radius(r, c):
    if r < -(1 - c) / 2:  # the way to neuron j switches neuron i off by itself
        return (1 + c) / 2 - r
    return math.sqrt((1 + c) ** 2 / (2 * (1 + r)) - c)


PROBES = (
    (0.0, 0.2),
    (0.1, 0.3),
    (-0.2, 0.3),
    (0.25, 0.5),
    (-0.6, 0.7),
    (0.0, 0.0),
    (0.9, 0.9),
    (-0.1, 0.8),
    (-0.45, 0.5),
    (-0.25, 0.8),
    (-0.28, 0.5),  # on both sides of -(1 - c)/2, near it
    (-0.22, 0.5),
    (-0.13, 0.8),
    (-0.07, 0.8),
)


def random_pair(generator):
    c = 0.9 * uniform(generator, 1).item()
    return c * (2 * uniform(generator, 1).item() - 1), c


def falls_with_r(answer, r, c):
    if answer(max(r - 0.01, -c), c) < answer(r, c) - 1e-6:
        return "An opposite point that is nearer (larger r) can't need a longer perturbation; yours does."


def tight(cross=-2.0, below=lambda r: 1 - r**2, both=True, root=math.sqrt):
    """Return the formula for both conditions tight, with parts replaced; both: with the case in which one is."""

    def radius(r, c):
        v1, v2 = (1 + c) / 2 - r, -(1 - c) / 2
        if both and r < v2:
            return v1
        return root((v1**2 + v2**2 + cross * r * v1 * v2) / below(r))

    return radius


MISTAKES = (
    Mistake(
        (lambda r, c: math.sqrt((1 - r) / 2),),
        "This is half the distance between the points. f is 0 on a whole region in between, so the flip comes later.",
    ),
    Mistake((lambda r, c: math.sqrt(2 * (1 - r)),), "This is the distance between the points. The sign changes before x_j."),
    Mistake((lambda r, c: (1 + c) / 2 - r,), "Here neuron j switches on, but neuron i may still be on and outweigh it."),
    Mistake((lambda r, c: (1 - c) / 2,), "Here f becomes 0. A strict flip needs y f < 0, beyond the dead zone."),
    Mistake(
        (tight(both=False),),
        "For r < -(1 - c)/2 the way to neuron j switches neuron i off by itself: then only one condition is tight.",
        example=4,
    ),
    Mistake(
        (tight(cross=2.0), tight(cross=2.0, both=False)),
        "The cross term has the wrong sign: |δ|²/d = (v₁² + v₂² - 2 r v₁ v₂)/(1 - r²), with v₁ > 0 > v₂.",
    ),
    Mistake(
        (tight(below=lambda r: 1.0), tight(below=lambda r: 1.0, both=False)),
        "The denominator 1 - r² is missing: x_i and x_j are not orthogonal, and their Gram matrix has to be inverted.",
    ),
    Mistake(
        (tight(cross=0.0, below=lambda r: 1.0), tight(cross=0.0, below=lambda r: 1.0, both=False)),
        "v₁² + v₂² is right for orthogonal points only: δ needs the inverse of the Gram matrix of x_i and x_j.",
    ),
    Mistake(
        (tight(root=float), tight(root=float, both=False)),
        "Where both are tight this is the square of the distance: take the root.",
    ),
    Mistake((lambda r, c: math.sqrt((1 + c * c) / 2),), "This is right for r = 0 only."),
    Mistake((lambda r, c: math.sqrt((1 - c) / 2),), "This is right for r = c only, the nearest that an opposite point may be."),
    Mistake((lambda r, c: (1 - c) / 4,), "This is the theorem's constant, a lower bound for the distance to f = 0."),
    Mistake(
        (lambda r, c: (1 + c) / math.sqrt(2 * (1 + r)),),
        "This is the distance of the nearest flip from the origin: measure it from x_i.",
    ),
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
        "For y f < 0 neuron j must be on and neuron i must not outweigh it: z_j ≥ 0 and z_j ≥ z_i. Start with both tight, "
        "z_i = z_j = 0. What are <x_i, x> and <x_j, x> there?",
        "Both are (1 + c)/2 d. The nearest such x lies in the span of x_i and x_j, and by symmetry it is λ(x_i + x_j). Find λ, "
        "then |x - x_i|.",
        "λ = (1 + c)/(2(1 + r)), and |x - x_i|²/d = (1 + c)²/(2(1 + r)) - c. The condition on z_i may be dropped where the "
        "shortest way to z_j = 0, along x_j, switches neuron i off by itself: at r < -(1 - c)/2. How long is that way?",
    ),
    mistakes=MISTAKES,
    written=(
        "With both tight, <x_i, x> = <x_j, x> = (1 + c)/2 d, so x = λ(x_i + x_j) with λ(1 + r) = (1 + c)/2; "
        "|x|² = 2λ²(1 + r) d and |x - x_i|² = |x|² + d - (1 + c) d give g² = (1 + c)²/(2(1 + r)) - c. The same with "
        "v₁ = (1 + c)/2 - r, v₂ = -(1 - c)/2, what <x_j, δ>/d and <x_i, δ>/d have to be: g² = (v₁² + v₂² - 2 r v₁ v₂)/(1 - r²). "
        "It is the nearest point of the convex set if no condition can be dropped. With z_j = 0 alone the nearest point is "
        "x_i + v₁ x_j, and there <x_i, δ> = r v₁ d, which is v₂ d or less, so that neuron i is off, if and only if "
        "r ≤ -(1 - c)/2. With z_j = z_i alone it is the middle of x_i and x_j, where neuron j is off unless r = c."
    ),
)
