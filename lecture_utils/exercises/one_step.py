"""Exercise one-step.

eta >= 0, v0, v1 > 0 -> the probability that the step changes the sign of f, in the limit, a float in [0, 1]. The step goes down
where f is positive and up where it is negative. eta = 0 flips nothing, a long step flips everything; v1 is the square of the
gradient's length, v0 the variance of f(x).
"""

import math

import torch

from .. import initialization
from .engine import Exercise, Mistake
from .inputs import uniform

REFERENCE = initialization.flip_probability


def flip_probability(eta, v0, v1):
    return math.erf(eta * v1 / math.sqrt(2 * v0))


PROBES = (
    (1.0, 0.5, 0.4), (2.0, 0.3943, 0.4644), (0.5, 2.0, 3.0), (0.0, 0.5, 0.5), (30.0, 0.7, 0.9), (0.01, 4.0, 0.25),
    (20.0, 4.0, 0.05),
)  # fmt: skip


def random_step(generator):
    return tuple((0.2 + 1.5 * uniform(generator, 3)).tolist())


def no_step_no_flip(answer, eta, v0, v1):
    if answer(0.0, v0, v1).abs() > 1e-6:
        return "With η = 0 nothing moves: the probability of a flip is 0."


def certain_in_the_end(answer, eta, v0, v1):
    if not 0.999999 < answer(1e3, v0, v1) < 1.000001:
        return "A very long step changes the sign of nearly every network: the probability tends to 1."


def in_units_of_f(answer, eta, v0, v1):
    if not torch.isclose(answer(eta / 2, 4 * v0, 4 * v1), answer(eta, v0, v1), rtol=1e-4):
        return "For 2f in the place of f, v0 and v1 are four times as large, and half of the step flips the same networks."


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
    Mistake(
        (lambda eta, v0, v1: math.erf(eta * v1 / math.sqrt(v0)),),
        "erf is not Φ: 2Φ(z) - 1 = erf(z/√2), so a √2 is missing under the fraction.",
    ),
    Mistake(
        (lambda eta, v0, v1: 2 * phi(eta * v1**2 / math.sqrt(v0)) - 1,),
        "v1 is the square of the gradient's length already: do not square it again.",
    ),
    Mistake(
        (lambda eta, v0, v1: min(1.0, eta * v1 / math.sqrt(v0)),),
        "Compare η v1 with a random |f(x)|: the probability that a Gaussian is smaller, not the ratio itself.",
    ),
    Mistake(
        (lambda eta, v0, v1: min(1.0, math.sqrt(2 / math.pi) * eta * v1 / math.sqrt(v0)),),
        "This is the density at 0 times the length: right for small η only, a Gaussian's density falls.",
        example=1,
    ),
    Mistake(
        (lambda eta, v0, v1: float(eta * v1 >= math.sqrt(v0)),),
        "f(x) is random: there is no length of step below which no network flips and above which all do.",
    ),
    Mistake(
        (lambda eta, v0, v1: 2 * phi(eta * math.sqrt(v0) / v1) - 1,),
        "The fraction is turned round: a longer gradient flips more, a larger f fewer.",
    ),
    Mistake(
        (lambda eta, v0, v1: phi(eta * v1 / math.sqrt(v0)) ** 2,),
        "Both sides of one variable are two parts of its distribution, not two independent events: 2Φ - 1, not Φ².",
    ),
    Mistake(
        (lambda eta, v0, v1: 1 - math.exp(-((eta * v1) ** 2) / (2 * v0)),),
        "1 - exp(-z²/2) bounds the probability from Chernoff's side; the Gaussian's own is asked for.",
    ),
)

EXERCISE = Exercise(
    "one-step",
    "one step",
    REFERENCE,
    flip_probability,
    PROBES,
    random=random_step,
    laws=(no_step_no_flip, certain_in_the_end, in_units_of_f),
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
