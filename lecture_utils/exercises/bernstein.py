"""Exercise bernstein.

s2 > 0, c >= 0, k summands, gamma in (0, 1) -> r with P(|S| >= r) <= gamma, a float. The bound is for the sum S, not for the
mean; for |S|, so both tails; with s2 and c as they are given; the logarithm is the natural one. Probes have k = 1, c = 0,
gamma near 1 and tiny, s2 on both sides of 1.
"""

import math

import torch

from .. import concentration
from .engine import Exercise, Mistake
from .inputs import uniform

REFERENCE = concentration.bernstein


def bernstein(s2, c, k, gamma):
    t = math.log(2 / gamma)
    return math.sqrt(2 * s2 * k * t) + c * t


PROBES = (
    (2.0, 2.0, 1, 0.1), (0.25, 0.5, 10, 0.01), (3.0, 0.3, 100, 0.05), (0.5, 0.0, 7, 0.2), (1.5, 4.0, 3, 0.95),
    (0.01, 1.0, 5, 1e-9),
)  # fmt: skip


def random_bernstein(generator):
    s2, c = (0.2 + 2 * uniform(generator, 2)).tolist()
    return s2, c, int(torch.randint(1, 200, (), generator=generator)), 0.001 + 0.5 * uniform(generator, 1).item()


def monotone_in_gamma(answer, s2, c, k, gamma):
    if not answer(s2, c, k, gamma / 2) > answer(s2, c, k, gamma):
        return "A smaller γ asks for more certainty: the bound must grow."


def linear_in_the_unit(answer, s2, c, k, gamma):
    if not torch.isclose(answer(9 * s2, 3 * c, k, gamma), 3 * answer(s2, c, k, gamma), rtol=1e-4):
        return "With all X_j three times as large, s2 is nine times and c three times as large: r must be three times as large."


def root_of_the_number(answer, s2, c, k, gamma):
    if not torch.isclose(answer(s2, 0.0, 4 * k, gamma), 2 * answer(s2, 0.0, k, gamma), rtol=1e-4):
        return "With c = 0, four times as many summands must double the bound."


MISTAKES = (
    Mistake(
        (lambda s2, c, k, g: concentration.bernstein(s2, c, k, g, sides=1),),
        "This is the one-sided bound. For |S| use the union bound: log(2/γ).",
    ),
    Mistake(
        (lambda s2, c, k, g: concentration.bernstein(s2**2, c, k, g),),
        "s2 is the square already (a variance): do not square it again.",
    ),
    Mistake((lambda s2, c, k, g: concentration.bernstein(s2 / 2, c, k, g),), "The factor 2 under the root is missing."),
    Mistake(
        (lambda s2, c, k, g: concentration.bernstein(s2, 0.0, k, g),),
        "The linear term c log(2/γ) is missing: it is the price for tails heavier than Gaussian.",
    ),
    Mistake(
        (lambda s2, c, k, g: math.sqrt(2 * s2 * k * math.log10(2 / g)) + c * math.log10(2 / g),),
        "This is the logarithm to base 10; the theorem has the natural one.",
    ),
    Mistake(
        (lambda s2, c, k, g: concentration.bernstein(s2, c, k, g) / k,),
        "This bounds the mean S/k; the sum S is asked for.",
        example=1,
    ),
    Mistake(
        (lambda s2, c, k, g: 2 * concentration.bernstein(s2, c, k, g, sides=1),),
        "Two sides do not double the bound r: they double the probability. Put log(2/γ) in the place of log(1/γ).",
    ),
    Mistake(
        (
            lambda s2, c, k, g: math.sqrt(2 * s2 * k * math.log(2 / g)) + c * math.log(1 / g),
            lambda s2, c, k, g: math.sqrt(2 * s2 * k * math.log(1 / g)) + c * math.log(2 / g),
        ),
        "log(2/γ) stands in one of the two terms only: it takes the place of log(1/γ) in both.",
    ),
    Mistake(
        (lambda s2, c, k, g: math.sqrt(2 * s2 * k * math.log(2 / g)) + c * math.sqrt(math.log(2 / g)),),
        "The second term has log(2/γ) itself, without a root.",
    ),
    Mistake(
        (lambda s2, c, k, g: math.sqrt(2 * s2 * k * math.log(2 / g) + c * math.log(2 / g)),),
        "The root covers the first term only; c log(2/γ) is added outside.",
    ),
    Mistake(
        (lambda s2, c, k, g: math.sqrt(2 * s2 * math.log(2 / g)) + c * math.log(2 / g),),
        "k is missing under the root: the variance of a sum grows with the number of summands.",
        example=1,
    ),
    Mistake(
        (lambda s2, c, k, g: math.sqrt(2 * s2 * k * math.log(2 / g)) + k * c * math.log(2 / g),),
        "The linear term does not grow with k: it is c log(2/γ).",
        example=1,
    ),
    Mistake(
        (lambda s2, c, k, g: k * math.sqrt(2 * s2 * math.log(2 / g)) + c * math.log(2 / g),),
        "k belongs under the root: independent summands partly cancel.",
        example=1,
    ),
    Mistake(
        (
            lambda s2, c, k, g: (
                math.sqrt(2 * s2 * k * math.log(g / 2))
                if g > 2
                else math.sqrt(2 * s2 * k * -math.log(g / 2)) + c * math.log(g / 2)
            ),
        ),
        "The second term has the wrong sign: c log(2/γ) is added. (log(γ/2) is negative.)",
    ),
)

EXERCISE = Exercise(
    "bernstein",
    "Bernstein",
    REFERENCE,
    bernstein,
    PROBES,
    random=random_bernstein,
    laws=(root_of_the_number, monotone_in_gamma, linear_in_the_unit),
    hints=(
        "Theorem 2 bounds P(S ≥ r). The same holds for -S. How are two events of probability at most γ/2 each combined?",
        "Take the one-sided bound with γ/2 in the place of γ: its logarithm becomes log(2/γ).",
        "t = math.log(2 / gamma); return math.sqrt(2 * s2 * k * t) + c * t",
    ),
    mistakes=MISTAKES,
    written=(
        "Summing the moment condition, log E exp(λX) ≤ λ² s2 / (2(1 - cλ)) for 0 ≤ λ < 1/c. Markov's inequality for exp(λS) with "
        "λ = μ/(1 + cμ), μ = √(2t/(k s2)), gives P(S ≥ √(2 s2 k t) + ct) ≤ exp(-t). For X² - 1, log E exp(λ(X² - 1)) = "
        "-λ - ½ log(1 - 2λ) ≤ λ²/(1 - 2λ), the same form with s2 = 2 and c = 2: 2√(kt) + 2t. The slide's 4√(kt) is larger as "
        "long as t ≤ k, and can fail beyond: k = 1 and γ = 0.0001 is an example, with a true probability of more than twice γ."
    ),
)
