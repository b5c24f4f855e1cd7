"""Answers to exercise one-step."""

import math
from statistics import NormalDist

import numpy as np
import torch
from scipy import integrate, special, stats


def by_the_normal_distribution(eta, v0, v1):
    return 2 * NormalDist().cdf(eta * v1 / math.sqrt(v0)) - 1


def by_its_two_ends(eta, v0, v1):
    f = NormalDist(0, math.sqrt(v0))
    return f.cdf(eta * v1) - f.cdf(-eta * v1)


def with_scipy(eta, v0, v1):
    return stats.halfnorm(scale=np.sqrt(v0)).cdf(eta * v1)


def with_ndtr(eta, v0, v1):
    return 2 * special.ndtr(eta * v1 / v0**0.5) - 1


def with_torch(eta, v0, v1):
    return torch.erf(torch.tensor(eta * v1) / math.sqrt(2 * v0))


def with_torch_distributions(eta, v0, v1):
    return 2 * torch.distributions.Normal(0.0, math.sqrt(v0)).cdf(torch.tensor(eta * v1)) - 1


def by_the_complement(eta, v0, v1):
    return 1 - math.erfc(eta * v1 / math.sqrt(2 * v0))


def by_chi_square(eta, v0, v1):
    return stats.chi2.cdf((eta * v1) ** 2 / v0, 1)


def by_integration(eta, v0, v1):
    edge = min(eta * v1 / math.sqrt(v0), 9)
    return 2 * integrate.quad(lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi), 0, edge)[0]


def in_units_of_the_deviation(eta, v0, v1):
    z = eta * v1 / math.sqrt(v0)
    return math.erf(z / math.sqrt(2))


RIGHT = [by_the_normal_distribution, by_its_two_ends, with_scipy, with_ndtr, with_torch, with_torch_distributions]
RIGHT += [by_the_complement, by_chi_square, by_integration, in_units_of_the_deviation]


def phi(z):
    return NormalDist().cdf(z)


def one_side(eta, v0, v1):
    return phi(eta * v1 / math.sqrt(v0))


def half_the_networks(eta, v0, v1):
    return phi(eta * v1 / math.sqrt(v0)) - 0.5


def length_for_its_square(eta, v0, v1):
    return 2 * phi(eta * math.sqrt(v1 / v0)) - 1


def variance_for_deviation(eta, v0, v1):
    return 2 * phi(eta * v1 / v0) - 1


def stays(eta, v0, v1):
    return 1 - by_the_normal_distribution(eta, v0, v1)


def no_gradient(eta, v0, v1):
    return 2 * phi(eta / math.sqrt(v0)) - 1


def erf_for_phi(eta, v0, v1):
    return math.erf(eta * v1 / math.sqrt(v0))


def squared_twice(eta, v0, v1):
    return 2 * phi(eta * v1**2 / math.sqrt(v0)) - 1


def the_ratio(eta, v0, v1):
    return min(1, eta * v1 / v0**0.5)


def linear(eta, v0, v1):
    return min(1, math.sqrt(2 / math.pi) * eta * v1 / v0**0.5)


def all_or_nothing(eta, v0, v1):
    return 1.0 if eta * v1 >= math.sqrt(v0) else 0.0


def turned_round(eta, v0, v1):
    return 2 * phi(eta * math.sqrt(v0) / v1) - 1


def independent_sides(eta, v0, v1):
    return phi(eta * v1 / math.sqrt(v0)) ** 2


def chernoff(eta, v0, v1):
    return 1 - math.exp(-((eta * v1) ** 2) / (2 * v0))


def logistic(eta, v0, v1):
    return math.tanh(eta * v1 / math.sqrt(v0))


WRONG = [
    (one_side, "one side"),
    (half_the_networks, "fixed sign"),
    (length_for_its_square, "its square"),
    (variance_for_deviation, "standard deviation"),
    (stays, "stays"),
    (no_gradient, "is missing"),
    (erf_for_phi, "erf is not"),
    (squared_twice, "square it again"),
    (the_ratio, "not the ratio"),
    (linear, "small η only"),
    (all_or_nothing, "f(x) is random"),
    (turned_round, "turned round"),
    (independent_sides, "not two independent events"),
    (chernoff, "Chernoff"),
    (logistic, ""),
]


def certain_beyond_two(eta, v0, v1):
    return math.erf(eta * v1 / math.sqrt(2 * v0)) if eta <= 2 else 1.0


WRONG += [(certain_beyond_two, "wanted 0.382925")]
