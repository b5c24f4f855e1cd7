"""Answers to exercise strict-flip."""

import functools
import math

import numpy as np
import torch
from scipy.optimize import minimize, nnls


def with_both_multipliers(r, c):
    gram = np.array([[1.0, r], [r, 1.0]])
    v = np.array([-(1 - c) / 2, (1 + c) / 2 - r])
    p, q = np.linalg.solve(gram, v)
    return float(v[1]) if p > 0 else math.sqrt(p * v[0] + q * v[1])


def of_the_nearest_point(r, c):
    if r < -(1 - c) / 2:
        return (1 + c) / 2 - r
    x = torch.tensor([1.0, 0.0]).double()
    other = torch.tensor([r, math.sqrt(1 - r * r)]).double()
    return torch.dist((1 + c) / (2 * (1 + r)) * (x + other), x)


def by_v(r, c):
    v1, v2 = 0.5 * (1 + c) - r, -0.5 * (1 - c)
    return v1 if r <= v2 else ((v1 * v1 + v2 * v2 - 2 * r * v1 * v2) / (1 - r * r)) ** 0.5


def least_squares(r, c):
    """By Lawson and Hanson: the shortest delta with G delta >= h."""
    x, other = np.array([1.0, 0.0]), np.array([r, math.sqrt(1 - r * r)])
    G = np.stack([other, other - x])
    h = np.array([(1 + c) / 2 - r, 1 - r])
    E = np.vstack([G.T, h])
    residual = np.array([0.0, 0.0, 1.0]) - E @ nnls(E, [0.0, 0.0, 1.0])[0]
    return float(np.linalg.norm(residual[:2] / residual[2]))


def searched(r, c):
    x, other = np.array([1.0, 0.0]), np.array([r, math.sqrt(1 - r * r)])
    conditions = [
        {"type": "ineq", "fun": lambda v: v @ other - (1 + c) / 2},
        {"type": "ineq", "fun": lambda v: v @ (other - x)},
    ]
    start = other.copy()
    done = minimize(lambda v: ((v - x) ** 2).sum(), start, constraints=conditions, options={"ftol": 1e-15, "maxiter": 500})
    return math.sqrt(done.fun)


def in_numpy(r, c):
    tight = np.sqrt((1 + c) ** 2 / (2 * (1 + r)) - c)
    return np.where(r < (c - 1) / 2, (1 + c) / 2 - r, tight)


def a_tensor_of_float32(r, c):
    r, c = torch.tensor([r, c])
    return torch.where(r < -(1 - c) / 2, (1 + c) / 2 - r, torch.sqrt((1 + c) ** 2 / (2 + 2 * r) - c))


def in_d_dimensions(r, c, d=7):
    x, other = torch.zeros(2, d).double()
    x[0], other[0], other[1] = math.sqrt(d), r * math.sqrt(d), math.sqrt(d * (1 - r * r))
    if r < -(1 - c) / 2:
        return ((1 + c) / 2 - r) * other.norm() / math.sqrt(d)
    return ((1 + c) / (2 * (1 + r)) * (x + other) - x).norm() / math.sqrt(d)


def larger_of_two(r, c):
    """The distance falls with r, and is never less than to neuron j alone."""
    alone = (1 + c) / 2 - r
    return max(alone, math.sqrt(max((1 + c) ** 2 / (2 * (1 + r)) - c, 0))) if r > (c - 1) / 2 else alone


def log_space(r, c):
    return (1 + c) / 2 - r if 2 * r < c - 1 else math.exp(0.5 * math.log((1 + c) ** 2 / (2 * (1 + r)) - c))


@functools.cache
def cached(r, c):
    return by_v(r, c)


RIGHT = [with_both_multipliers, of_the_nearest_point, by_v, least_squares, searched, in_numpy, a_tensor_of_float32]
RIGHT += [in_d_dimensions, larger_of_two, log_space, cached]


def other_sign_of_the_cross_term(r, c):
    v1, v2 = (1 + c) / 2 - r, -(1 - c) / 2
    return v1 if r < v2 else math.sqrt((v1**2 + v2**2 + 2 * r * v1 * v2) / (1 - r**2))


def no_denominator(r, c):
    v1, v2 = (1 + c) / 2 - r, -(1 - c) / 2
    return v1 if r < v2 else math.sqrt(v1**2 + v2**2 - 2 * r * v1 * v2)


def pythagoras(r, c):
    v1, v2 = (1 + c) / 2 - r, -(1 - c) / 2
    return math.hypot(v1, v2)


def squared(r, c):
    return (1 + c) / 2 - r if r < -(1 - c) / 2 else (1 + c) ** 2 / (2 * (1 + r)) - c


def one_case(r, c):
    return math.sqrt((1 + c) ** 2 / (2 * (1 + r)) - c)


def other_case(r, c):
    return (1 + c) / 2 - r if r < 0 else math.sqrt((1 + c) ** 2 / (2 * (1 + r)) - c)


def half_the_distance(r, c):
    return math.sqrt(2 - 2 * r) / 2


def whole_distance(r, c):
    return math.sqrt(2 - 2 * r)


def where_f_is_zero(r, c):
    return (1 - c) / 2


def neuron_j_alone(r, c):
    return (1 + c) / 2 - r


def nearest_that_may_be(r, c):
    return math.sqrt((1 - c) / 2)


def promised(r, c):
    return 0.25 * (1 - c)


def from_the_origin(r, c):
    return (1 + c) / math.sqrt(2 * (1 + r))


def orthogonal(r, c):
    return math.sqrt((1 + c**2) / 2)


def toward_x_j(r, c):
    """Straight to the other sample."""
    return ((1 + c) / 2 - r) / (1 - r) * math.sqrt(2 * (1 - r))


def size_of_r(r, c):
    return math.sqrt((1 + c) ** 2 / (2 * (1 + abs(r))) - c)


def c_and_r_swapped(r, c):
    return (1 + r) / 2 - c if c < -(1 - r) / 2 else math.sqrt(abs((1 + r) ** 2 / (2 * (1 + c)) - r))


def bounded_at(bound):
    """Return the formula with another place where the second condition stops being tight."""

    def radius(r, c):
        return (1 + c) / 2 - r if r < bound(c) else math.sqrt((1 + c) ** 2 / (2 * (1 + r)) - c)

    return radius


def forgot_half(r, c):
    return bounded_at(lambda c: -(1 - c))(r, c)


def bound_of_a_third(r, c):
    return bounded_at(lambda c: -1 / 3)(r, c)


def bound_of_a_root(r, c):
    return bounded_at(lambda c: -math.sqrt((1 - c) / 2))(r, c)


WRONG = [
    (forgot_half, "wanted"),
    (bound_of_a_third, "wanted"),
    (bound_of_a_root, "wanted"),
    (other_sign_of_the_cross_term, "The cross term has the wrong sign"),
    (no_denominator, "The denominator 1 - r² is missing"),
    (pythagoras, "right for orthogonal points only"),
    (squared, "take the root"),
    (one_case, "then only one condition is tight"),
    (other_case, ""),
    (half_the_distance, "half the distance"),
    (whole_distance, "The sign changes before x_j"),
    (where_f_is_zero, "Here f becomes 0"),
    (neuron_j_alone, "may still be on and outweigh it"),
    (nearest_that_may_be, "right for r = c only"),
    (promised, "the theorem's constant"),
    (from_the_origin, "measure it from x_i"),
    (orthogonal, "right for r = 0 only"),
    (toward_x_j, ""),
    (size_of_r, ""),
    (c_and_r_swapped, ""),
]


def bound_of_a_square(r, c):
    return bounded_at(lambda c: -((1 - c) ** 2))(r, c)


def bound_of_a_difference_of_squares(r, c):
    return bounded_at(lambda c: -(1 - c * c) / 2)(r, c)


def bound_of_a_ratio(r, c):
    return bounded_at(lambda c: -(1 - c) / (1 + c))(r, c)


WRONG += [(bound_of_a_square, "wanted"), (bound_of_a_difference_of_squares, "wanted 1.03"), (bound_of_a_ratio, "wanted 1.03")]
