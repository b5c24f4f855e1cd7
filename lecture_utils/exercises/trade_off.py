"""Exercise trade-off.

p, mu, d, eps, w1, v, floats but d -> the robust accuracy, a float; eps = 0 gives the clean one.
Asked: both kinds of samples, weighted by p and 1 - p; every feature attacked, x_1 as well; any d, from 1 on; w1, v > 0.
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
    (0.75, 0.3, 6, 0.0, 0.9, 0.6),
    (0.6, 0.4, 1, 0.3, 0.5, 1.2),
    (0.95, 0.05, 400, 0.02, 2.0, 0.1),
    (0.8, 1.5, 3, 1.25, 2.0, 0.7),  # x_1 changes its sign
)


def random_weights(generator):
    p, mu, epsilon, w1, v = uniform(generator, 5).tolist()
    d = int(torch.randint(1, 60, (), generator=generator))
    return 0.6 + 0.3 * p, 0.1 + 0.3 * mu, d, 0.3 * epsilon, 1 + 2 * w1, 0.05 + 0.2 * v


def matches_the_definition(answer, p, mu, d, epsilon, w1, v):
    t = torch.linspace(-9, 9, 4001, dtype=torch.float64)  # the weak features' sum is v (mu d + sqrt(d) t), t ~ N(0, 1)
    density = (-0.5 * t * t).exp() / math.sqrt(2 * math.pi) * (t[1] - t[0])
    weak = v * (mu * d + math.sqrt(d) * t) - epsilon * (w1 + v * d)
    share = p * (density * (weak + w1 > 0)).sum() + (1 - p) * (density * (weak - w1 > 0)).sum()
    if (answer(p, mu, d, epsilon, w1, v) - share).abs() > 0.01:
        return "Integrating over the sum of the weak features gives another accuracy."


def normal_cdf(t):
    return 0.5 * (1 + math.erf(t / math.sqrt(2)))


def full_price(e, d, w1, v):
    return e * (w1 + v * d)


def accuracy_with(
    price=full_price, root=math.sqrt, centre=lambda mu, d, v: v * mu * d, spread=lambda v, root: v * root, cdf=normal_cdf,
    wrong_price=1.0, right_share=lambda p: p, wrong_share=lambda p: 1 - p,
):  # fmt: skip
    """Return the closed form with one part exchanged."""

    def answer(p, mu, d, epsilon, w1, v):
        q, deviation, middle = price(epsilon, d, w1, v), spread(v, root(d)), centre(mu, d, v)
        right, wrong = middle + w1 - q, middle - w1 - wrong_price * q
        return right_share(p) * cdf(right / deviation) + wrong_share(p) * cdf(wrong / deviation)

    return answer


MISTAKES = (
    Mistake((accuracy_with(price=lambda e, d, w1, v: 0.0),), "This is the clean accuracy: the adversary takes ε(w1 + v d)."),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e * (w1 + v)),),
        "There are d weak features and the adversary moves each of them: ε v d, not ε v.",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e * math.sqrt(w1**2 + d * v**2)),),
        "This is ε|w|₂; for the largest entry of δ the price is ε|w|₁ = ε(w1 + v d).",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e * (w1 + v * math.sqrt(d))),),
        "The noise of d features grows with √d, the adversary's price with d: he moves all of them the same way.",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e),),
        "ε is how far a feature moves; the margin moves by ε times the weights, ε(w1 + v d).",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: 2 * full_price(e, d, w1, v)),),
        "The adversary takes ε(w1 + v d) once; yours takes it twice.",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e * v * d),),
        "The adversary moves x_1 as well: that costs the margin another ε w1.",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: e * w1),),
        "The adversary moves the weak features as well: that costs the margin another ε v d.",
    ),
    Mistake(
        (accuracy_with(wrong_share=lambda p: 0.0),),
        "Samples with x_1 = -y may still be classified correctly, by the weak features: the term with 1 - p is missing.",
    ),
    Mistake(
        (accuracy_with(right_share=lambda p: 1.0, wrong_share=lambda p: 0.0),),
        "This is the accuracy where x_1 = y. That has probability p; where x_1 = -y the weak features stand against w1.",
    ),
    Mistake(
        (accuracy_with(right_share=lambda p: 1 - p, wrong_share=lambda p: p),),
        "p and 1 - p are exchanged: x_1 = y has probability p.",
    ),
    Mistake(
        (accuracy_with(right_share=lambda p: 0.5, wrong_share=lambda p: 0.5),),
        "The two kinds of samples have the probabilities p and 1 - p.",
    ),
    Mistake(
        (accuracy_with(price=lambda e, d, w1, v: -full_price(e, d, w1, v)),),
        "The adversary lowers the margin: ε(w1 + v d) is taken from it.",
    ),
    Mistake((accuracy_with(root=float),), "The standard deviation of a sum of d independent features is √d, not d."),
    Mistake((accuracy_with(root=lambda d: 1.0),), "The noise of d features adds up: its standard deviation is v√d, not v."),
    Mistake(
        (accuracy_with(spread=lambda v, root: root),),
        "Each weak feature is weighted with v, its noise as well: the standard deviation is v√d.",
    ),
    Mistake(
        (accuracy_with(spread=lambda v, root: v**2 * root**2),),
        "Divide by the standard deviation v√d, not by the variance v²d.",
    ),
    Mistake(
        (accuracy_with(centre=lambda mu, d, v: v * mu),),
        "There are d weak features: their sum has the mean v μ d.",
    ),
    Mistake((accuracy_with(centre=lambda mu, d, v: mu * d),), "Each weak feature is weighted with v: their mean is v μ d."),
    Mistake(
        (accuracy_with(centre=lambda mu, d, v: v * mu * math.sqrt(d)),),
        "The mean of the sum grows with d, only its standard deviation with √d.",
    ),
    Mistake((accuracy_with(cdf=lambda t: normal_cdf(-t)),), "This is the share of errors; asked is the accuracy, 1 minus it."),
    Mistake(
        (accuracy_with(cdf=lambda t: math.erf(t / math.sqrt(2))), accuracy_with(cdf=math.erf)),
        "erf runs from -1 to 1, a probability from 0 to 1: Φ(t) = (1 + erf(t / √2)) / 2.",
    ),
    Mistake(
        (accuracy_with(cdf=lambda t: 0.5 * (1 + math.erf(t))),),
        "Φ(t) = (1 + erf(t / √2)) / 2: the √2 is missing.",
    ),
    Mistake(
        (accuracy_with(wrong_price=-1.0),),
        "The adversary also attacks where x_1 = -y: he lowers the margin there, too, by the same ε(w1 + v d).",
    ),
    Mistake(
        (accuracy_with(wrong_price=0.0),),
        "The adversary also attacks where x_1 = -y: the margin loses ε(w1 + v d) in the second term as well.",
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
    differs="The library's takes the weights 0 as well, where there is no noise to divide by.",
    written=(
        "On paper: the weak features together have the margin v μ d and lose ε v d. At ε = μ nothing is left of it, and they are "
        "worth a coin toss; for ε > μ less than that. Then the best weights are (1, 0, ..., 0), with clean = robust = p, as "
        "long as ε < 1. That is the trade-off: 95 % for p = 0.95, where the weak features alone would reach Φ(μ√d) without an "
        "adversary."
    ),
)
