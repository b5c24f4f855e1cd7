"""Exercise one-step.

eta >= 0, v0, v1 > 0 -> the probability that the step changes the sign of f, in the limit.
"""

import math

from .. import initialization
from .engine import Exercise, Mistake
from .inputs import uniform

REFERENCE = initialization.flip_probability


def flip_probability(eta, v0, v1):
    return math.erf(eta * v1 / math.sqrt(2 * v0))


PROBES = ((1.0, 0.5, 0.4), (2.0, 0.3943, 0.4644), (0.5, 2.0, 3.0))


def random_step(generator):
    return tuple((0.2 + 1.5 * uniform(generator, 3)).tolist())


def no_step_no_flip(answer, eta, v0, v1):
    if answer(0.0, v0, v1).abs() > 1e-6:
        return "With η = 0 nothing moves: the probability of a flip is 0."


def phi(z):
    return 0.5 * math.erfc(-z / math.sqrt(2))


MISTAKES = (
    Mistake(
        (lambda eta, v0, v1: phi(eta * v1 / math.sqrt(v0)),),
        "Φ alone counts one side and everything below: |f| has to be small, so take both sides, 2Φ - 1.",
    ),
    Mistake(
        (lambda eta, v0, v1: phi(eta * v1 / math.sqrt(v0)) - 0.5,),
        "This is the slide's fixed sign of η: it flips only one half of the networks. The sign of the step follows f(x).",
    ),
    Mistake(
        (lambda eta, v0, v1: 2 * phi(eta * math.sqrt(v1) / math.sqrt(v0)) - 1,),
        "√v1 is the length of the gradient; f changes by η times its square, v1.",
    ),
    Mistake(
        (lambda eta, v0, v1: 2 * phi(eta * v1 / v0) - 1,),
        "v0 is the variance of f(x): divide by its standard deviation √v0.",
    ),
    Mistake(
        (lambda eta, v0, v1: 2 - 2 * phi(eta * v1 / math.sqrt(v0)),),
        "This is the probability that the sign stays.",
    ),
    Mistake(
        (lambda eta, v0, v1: 2 * phi(eta / math.sqrt(v0)) - 1,),
        "The factor |∇f|² is missing: a step of η along the gradient changes f by η |∇f|², not by η.",
    ),
)

EXERCISE = Exercise(
    "one-step",
    "one step",
    REFERENCE,
    flip_probability,
    PROBES,
    random=random_step,
    laws=(no_step_no_flip,),
    hints=(
        "For large k and d, f(x) ~ N(0, v0), and the step changes f by -η sign(f) |∇f|², |∇f|² → v1. When does the sign change?",
        "It changes when |f(x)| < η v1. What is the probability that a N(0, v0) variable lies between -η v1 and η v1?",
        "2 Φ(η v1 / √v0) - 1, which is math.erf(eta * v1 / math.sqrt(2 * v0)).",
    ),
    mistakes=MISTAKES,
    written=(
        "Taylor: f(x + η∇f) = f(x) + η|∇f|² + R, and R → 0 for a fixed η as k and d grow. With sign(η) = -sign f(x) the sign "
        "changes when |f(x)| < |η||∇f|² → |η| v1. For failure at most γ, |η| = (√v0/v1) Φ⁻¹(1 - γ/2) = O(√log(1/γ)) is enough."
    ),
)
