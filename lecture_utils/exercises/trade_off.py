"""Exercise trade-off.

p, mu, d, eps, w1, v, floats but d -> the robust accuracy, a float; eps = 0 gives the clean one.
"""

import math

import torch

from .. import linear
from .engine import Exercise, Mistake
from .inputs import uniform

REFERENCE = linear.robust_accuracy_tsipras


def robust_accuracy_tsipras(p, mu, d, eps, w1, v):
    def Phi(t):
        return (1 + math.erf(t / math.sqrt(2))) / 2

    price = eps * (w1 + v * d)
    right = Phi((w1 + v * mu * d - price) / (v * math.sqrt(d)))
    wrong = Phi((-w1 + v * mu * d - price) / (v * math.sqrt(d)))
    return p * right + (1 - p) * wrong


PROBES = (
    (0.9, 0.5, 4, 0.1, 1.0, 0.5),
    (0.8, 0.3, 9, 0.25, 1.5, 0.4),
    (0.7, 0.2, 16, 0.4, 0.8, 0.3),
)


def random_weights(generator):
    p, mu, epsilon, w1, v = uniform(generator, 5).tolist()
    return 0.6 + 0.3 * p, 0.1 + 0.3 * mu, 25, 0.3 * epsilon, 1 + 2 * w1, 0.05 + 0.2 * v


def matches_the_definition(answer, p, mu, d, epsilon, w1, v):
    t = torch.linspace(-9, 9, 4001, dtype=torch.float64)  # the weak features' sum is v (mu d + sqrt(d) t), t ~ N(0, 1)
    density = (-0.5 * t * t).exp() / math.sqrt(2 * math.pi) * (t[1] - t[0])
    weak = v * (mu * d + math.sqrt(d) * t) - epsilon * (w1 + v * d)
    share = p * (density * (weak + w1 > 0)).sum() + (1 - p) * (density * (weak - w1 > 0)).sum()
    if (answer(p, mu, d, epsilon, w1, v) - share).abs() > 0.01:
        return "Integrating over the sum of the weak features gives another accuracy."


def normal_cdf(t):
    return 0.5 * (1 + math.erf(t / math.sqrt(2)))


def accuracy_with(price=lambda e, d, w1, v: e * (w1 + v * d), root=math.sqrt, wrong_price=1.0, wrong_share=1.0):
    """Return the closed form with one part exchanged."""

    def answer(p, mu, d, epsilon, w1, v):
        q, spread, centre = price(epsilon, d, w1, v), v * root(d), v * mu * d
        wrong = (1 - p) * normal_cdf((centre - w1 - wrong_price * q) / spread)
        return p * normal_cdf((centre + w1 - q) / spread) + wrong_share * wrong

    return answer


MISTAKES = (
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e * (w1 + v)),),
        "There are d weak features and the adversary moves each of them: ε v d, not ε v.",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e * math.sqrt(w1**2 + d * v**2)),),
        "This is ε|w|₂; for the largest entry of δ the price is ε|w|₁ = ε(w1 + v d).",
    ),
    Mistake((accuracy_with(price=lambda e, d, w1, v: e * v * d),), "The adversary moves x_1 as well: add ε w1."),
    Mistake(
        (accuracy_with(wrong_share=0.0),),
        "Samples with x_1 = -y may still be classified correctly, by the weak features: the term with 1 - p is missing.",
    ),
    Mistake((accuracy_with(price=lambda e, d, w1, v: -e * (w1 + v * d)),), "The adversary lowers the score: minus q."),
    Mistake(
        (accuracy_with(root=float),),
        "The standard deviation of a sum of d independent features is √d, not d.",
    ),
    Mistake(
        (accuracy_with(wrong_price=-1.0),),
        "The adversary also attacks where x_1 = -y: q has the same sign in both terms.",
    ),
)

EXERCISE = Exercise(
    "trade-off",
    "the trade-off in closed form",
    REFERENCE,
    robust_accuracy_tsipras,
    PROBES,
    random=random_weights,
    laws=(matches_the_definition,),
    hints=(
        "By symmetry take y = +1. The score is w1 x_1 + v (x_2 + ... + x_{d+1}). By how much can the adversary lower it?",
        "By q = ε(w1 + v d), for every sample. The sum of the d weak features is normal: mean μd, standard deviation √d. x_1 is "
        "+1 or -1.",
        "p Φ((w1 + v μ d - q)/(v √d)) + (1 - p) Φ((-w1 + v μ d - q)/(v √d)), Φ(t) = (1 + math.erf(t / math.sqrt(2))) / 2",
    ),
    mistakes=MISTAKES,
    written=(
        "The weak features together have margin μd and price εd: for ε > μ they are worth less than nothing, and the best "
        "weights are "
        "(1, 0, ..., 0), clean = robust = p. That is the trade-off: 95 % for p = 0.95, where the weak features alone would "
        "reach Φ(μ√d)."
    ),
)
