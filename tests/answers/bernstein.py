"""Answers to exercise bernstein."""

import math

import numpy as np
import torch


def in_two_lines(s2, c, k, gamma):
    log = -math.log(gamma / 2)
    return (2 * s2 * k * log) ** 0.5 + c * log


def with_numpy(s2, c, k, gamma):
    return np.sqrt(2 * s2 * k * np.log(2 / gamma)) + c * np.log(2 / gamma)


def with_torch(s2, c, k, gamma):
    t = torch.log(torch.tensor(2 / gamma))
    return (2 * s2 * k * t).sqrt() + c * t


def one_sided(s2, c, k, gamma):
    t = math.log(1 / gamma)
    return math.sqrt(2 * s2 * k * t) + c * t


def by_the_union_bound(s2, c, k, gamma):
    return one_sided(s2, c, k, gamma / 2)


def by_chernoff(s2, c, k, gamma):
    """The exponent at the best lambda, solved for r."""
    t = math.log(2) - math.log(gamma)
    mu = math.sqrt(2 * t / (k * s2))
    return k * s2 * mu + c * t


def by_bisection(s2, c, k, gamma):
    low, high = 0.0, 1e6
    for _ in range(200):
        r = (low + high) / 2
        root = (math.sqrt(2 * s2 * k + 4 * c * r) - math.sqrt(2 * s2 * k)) / (2 * c) if c else r / math.sqrt(2 * s2 * k)
        low, high = (low, r) if root**2 >= math.log(2 / gamma) else (r, high)
    return high


def an_array_of_one(s2, c, k, gamma):
    return np.float32(in_two_lines(s2, c, k, gamma))


class Bound:
    def __init__(self, sides):
        self.sides = sides

    def __call__(self, s2, c, k, gamma):
        return one_sided(s2, c, k, gamma / self.sides)


def a_class(s2, c, k, gamma):
    return Bound(2)(s2, c, k, gamma)


def with_log1p(s2, c, k, gamma):
    t = math.log1p((2 - gamma) / gamma)
    return math.sqrt(2) * math.sqrt(s2) * math.sqrt(k) * math.sqrt(t) + c * t


RIGHT = [in_two_lines, with_numpy, with_torch, by_the_union_bound, by_chernoff, by_bisection, an_array_of_one, a_class]
RIGHT += [with_log1p]


def twice_the_one_sided(s2, c, k, gamma):
    return 2 * one_sided(s2, c, k, gamma)


def squared_again(s2, c, k, gamma):
    return in_two_lines(s2**2, c, k, gamma)


def no_two(s2, c, k, gamma):
    return in_two_lines(s2 / 2, c, k, gamma)


def gaussian_only(s2, c, k, gamma):
    return in_two_lines(s2, 0, k, gamma)


def decimal(s2, c, k, gamma):
    t = math.log10(2 / gamma)
    return math.sqrt(2 * s2 * k * t) + c * t


def of_the_mean(s2, c, k, gamma):
    return in_two_lines(s2, c, k, gamma) / k


def root_over_both(s2, c, k, gamma):
    t = math.log(2 / gamma)
    return math.sqrt(2 * s2 * k * t + c * t)


def no_k(s2, c, k, gamma):
    return in_two_lines(s2, c, 1, gamma)


def k_outside(s2, c, k, gamma):
    t = math.log(2 / gamma)
    return k * math.sqrt(2 * s2 * t) + c * t


def k_in_both(s2, c, k, gamma):
    return in_two_lines(s2, k * c, k, gamma)


def mixed(s2, c, k, gamma):
    return math.sqrt(2 * s2 * k * math.log(2 / gamma)) + c * math.log(1 / gamma)


def root_of_the_log(s2, c, k, gamma):
    t = math.log(2 / gamma)
    return math.sqrt(2 * s2 * k * t) + c * math.sqrt(t)


def standard_deviation(s2, c, k, gamma):
    t = math.log(2 / gamma)
    return s2 * math.sqrt(2 * k * t) + c * t


def four_sides(s2, c, k, gamma):
    return in_two_lines(s2, c, k, gamma / 2)


WRONG = [
    (one_sided, "one-sided"),
    (twice_the_one_sided, "they double the probability"),
    (squared_again, "square already"),
    (standard_deviation, "square already"),
    (no_two, "factor 2"),
    (gaussian_only, "linear term"),
    (decimal, "base 10"),
    (of_the_mean, "the mean"),
    (root_over_both, "first term only"),
    (no_k, "k is missing"),
    (k_outside, "under the root"),
    (k_in_both, "does not grow with k"),
    (mixed, "one of the two terms"),
    (root_of_the_log, "without a root"),
    (four_sides, ""),
]
