"""Answers to exercise gradient-norm."""

import math
from fractions import Fraction

import numpy as np
import torch


def one_fraction(d, v1, e):
    return ((d - 1) * v1 + e) / d


def around_the_limit(d, v1, e):
    return v1 + (e - v1) / d


def summed(d, v1, e):
    return sum([e] + [v1] * (d - 1)) / d


def averaged(d, v1, e):
    return np.mean([e, *[v1] * (d - 1)])


def with_torch(d, v1, e):
    return torch.lerp(torch.tensor(v1), torch.tensor(e), 1 / d)


def exact(d, v1, e):
    return float(Fraction(v1) * Fraction(d - 1, d) + Fraction(e) / d)


def by_chi_square(d, v1, e):
    """The mean of chi^2_{d-1} / d is (d - 1) / d."""
    freedom = torch.arange(1, d, dtype=torch.float64)
    return v1 * len(freedom) / d + e / d


def by_a_loop(d, v1, e):
    total = e
    for _ in range(1, d):
        total += v1
    return total / d


class Parts:
    def __init__(self, d):
        self.along, self.across = 1 / d, 1 - 1 / d

    def mean(self, v1, e):
        return self.along * e + self.across * v1


def of_parts(d, v1, e):
    return Parts(d).mean(v1, e)


def weighted(d, v1, e):
    return np.dot([1 - 1 / d, 1 / d], [v1, e])


RIGHT = [one_fraction, around_the_limit, summed, averaged, with_torch, exact, by_chi_square, by_a_loop, of_parts]
RIGHT += [weighted]


def the_limit(d, v1, e):
    return v1


def across_only(d, v1, e):
    return v1 * (d - 1) / d


def along_whole(d, v1, e):
    return v1 * (d - 1) / d + e


def d_directions(d, v1, e):
    return v1 + e / d


def d_times(d, v1, e):
    return v1 * (d - 1) + e


def swapped(d, v1, e):
    return v1 / d + e * (d - 1) / d


def along_over_d_twice(d, v1, e):
    return v1 * (d - 1) / d + e / d**2


def the_length(d, v1, e):
    return math.sqrt(one_fraction(d, v1, e))


def a_difference(d, v1, e):
    return v1 * (d - 1) / d - e / d


def two_directions_lost(d, v1, e):
    return v1 * (d - 2) / d + e / d


def a_product(d, v1, e):
    return v1 * (d - 1) / d + e * v1 / d


def plain_mean(d, v1, e):
    return (v1 + e) / 2


def right_for_relu(d, v1, e):
    return v1 if e == v1 else v1 * (1 - 1 / d)


def integer_division(d, v1, e):
    return v1 * ((d - 1) // d) + e / d


WRONG = [
    (the_limit, "the limit"),
    (across_only, "direction of x"),
    (along_whole, "factor 1/d"),
    (d_directions, "counted twice"),
    (d_times, "d times too large"),
    (swapped, "swapped"),
    (along_over_d_twice, "1/d too many"),
    (the_length, "a root"),
    (a_difference, "it is added"),
    (two_directions_lost, "yours are d - 2"),
    (a_product, "no factor"),
    (plain_mean, ""),
    (right_for_relu, "direction of x"),
    (integer_division, ""),
]
