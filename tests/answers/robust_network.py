"""Answers to exercise robust-network."""

import math

import numpy as np
import torch


def loops(X, y, c):
    W, b, a = [], [], []
    for x, label in zip(X.tolist(), y.tolist(), strict=True):
        W.append([2 * v / (len(x) * (1 - c)) for v in x])
        b.append(-(1 + c) / (1 - c))
        a.append(label)
    return W, b, a


def a_list_of_three(X, y, c):
    return [2 * X / (X.shape[1] * (1 - c)), -(1 + c) / (1 - c) * torch.ones(len(X)), y.clone()]


def in_numpy(X, y, c):
    slope = 2 / (1 - c)
    return slope * X.numpy() / X.shape[1], np.full(len(X), 1 - slope), y.numpy().astype(int)


def one_bias_for_all(X, y, c):
    return 2 * X / (X.shape[1] * (1 - c)), -(1 + c) / (1 - c), y


def in_float32(X, y, c):
    X = X.float()
    return 2 / (1 - c) * X / X.shape[1], torch.full((len(X),), 1 - 2 / (1 - c)), y.to(torch.int8)


def from_the_coherence_found(X, y, c):
    found = (X @ X.T / X.shape[1]).fill_diagonal_(0).abs().max()
    return 2 * X / (X.shape[1] * (1 - found)), torch.full_like(y, -(1 + found) / (1 - found)), y


def gentler_slope(X, y, c):
    slope = 1.5 / (1 - c)
    return slope * X / X.shape[1], torch.full_like(y, 1 - slope), y


def twice_as_large(X, y, c):
    return 2 * X / (X.shape[1] * (1 - c)), torch.full_like(y, -(1 + c) / (1 - c)), 2 * y


def scaled_neurons(X, y, c):
    size = X.norm(dim=1, keepdim=True)
    return X / size, -(1 + c) / 2 * size[:, 0], y * 2 / ((1 - c) * size[:, 0])


def two_neurons_a_point(X, y, c):
    W, b, a = a_list_of_three(X, y, c)
    return torch.cat([W, W]), torch.cat([b, b]), torch.cat([a, a]) / 2


class Line:
    """Through (1, 1) and (c, -1)."""

    def network(self, X, y, c):
        slope = (1 - -1) / (1 - c)
        return torch.einsum("md,->md", X, torch.tensor(slope / X.shape[1])), (1 - slope) * torch.ones_like(y), y


def as_a_method(X, y, c):
    return Line().network(X, y, c)


RIGHT = [loops, a_list_of_three, in_numpy, one_bias_for_all, in_float32, from_the_coherence_found, gentler_slope]
RIGHT += [twice_as_large, scaled_neurons, two_neurons_a_point, as_a_method]


def built(X, y, c, slope=None, bias=None, a=None):
    slope = 2 / (1 - c) if slope is None else slope
    bias = -(1 + c) / (1 - c) if bias is None else bias
    return slope * X / X.shape[1], torch.full_like(y, bias), y if a is None else a


def without_a_bias(X, y, c):
    return built(X, y, c, bias=0.0)


def bias_of_the_other_sign(X, y, c):
    return built(X, y, c, bias=(1 + c) / (1 - c))


def labels_turned(X, y, c):
    return built(X, y, c, a=-y)


def all_ones(X, y, c):
    return built(X, y, c, a=torch.ones_like(y))


def as_if_orthogonal(X, y, c):
    return built(X, y, c, slope=2.0, bias=-1.0)


def margin_of_a_half(X, y, c):
    return built(X, y, c, a=y / 2)


def margin_of_a_tenth(X, y, c):
    return built(X, y, c, a=y / 10)


def weights_turned_round(X, y, c):
    W, b, a = built(X, y, c)
    return W.T, b, a


def one_neuron(X, y, c):
    return (y @ X)[None] / X.shape[1], torch.zeros(1), torch.ones(1)


def two_values(X, y, c):
    return built(X, y, c)[:2]


def one_tensor(X, y, c):
    return torch.cat(built(X, y, c)[1:])


def bias_for_the_plain_rows(X, y, c):
    return 2 * X / (1 - c), torch.full_like(y, -(1 + c) / (1 - c)), y


def just_off(X, y, c):
    return built(X, y, c, slope=1 / (1 - c), bias=-c / (1 - c))


def label_twice(X, y, c):
    W, b, a = built(X, y, c)
    return y[:, None] * W, b, a


def root_of_d(X, y, c):
    return 2 * X / (math.sqrt(X.shape[1]) * (1 - c)), torch.full_like(y, -(1 + c) / (1 - c)), y


def for_a_third(X, y, c):
    return built(X, y, c, slope=3.0, bias=-2.0)


def bias_of_one_neuron_missing(X, y, c):
    W, b, a = built(X, y, c)
    return W, b[:-1], a


def with_nan(X, y, c):
    W, b, a = built(X, y, c)
    return W, b / 0.0 * 0.0, a


def linear(X, y, c):
    v = torch.linalg.solve(X @ X.T, y) @ X
    return torch.stack([v, -v]), torch.zeros(2, dtype=X.dtype), torch.tensor([1.0, -1.0])


def silent(X, y, c):
    return 2 * X / (X.shape[1] * (1 - c)), torch.full_like(y, -2 * (1 + c) / (1 - c)), y


def nothing_for_minus_one(X, y, c):
    W, b, a = silent(X, y, c)
    return W, b / 2, (a > 0).double()


WRONG = [
    (linear, "share of the theorem's radius"),
    (silent, "At no point does f have the sign"),
    (nothing_for_minus_one, "Right for the label 1 only"),
    (without_a_bias, "Nothing holds the neurons off"),
    (bias_of_the_other_sign, "Nothing holds the neurons off"),
    (labels_turned, "The outer weights have the wrong sign"),
    (all_ones, "with 1 every output is positive"),
    (as_if_orthogonal, "c is not used"),
    (margin_of_a_half, "the theorem asks for 1"),
    (margin_of_a_tenth, "y f(x) at the points"),
    (weights_turned_round, "turn it round, one row a neuron"),
    (one_neuron, ""),
    (two_values, "Return three tensors"),
    (one_tensor, "Return three tensors"),
    (bias_for_the_plain_rows, "Divide by d"),
    (just_off, "or about to be"),
    (label_twice, "Right for the label 1 only"),
    (root_of_d, "not by its root"),
    (for_a_third, "share of the theorem's radius"),
    (bias_of_one_neuron_missing, "must have shapes"),
    (with_nan, "must be finite"),
]


def no_signs(X, y, c):
    d = X.shape[1]
    return 2 * X / (d * (1 - c)), torch.full_like(y, -(1 + c) / (1 - c)), torch.zeros_like(y)


def infinite_at_a_half(X, y, c):
    d = X.shape[1]
    return 2 * X / (d * (1 - 2 * c)), torch.full_like(y, -(1 + c) / (1 - c)), y


WRONG += [(no_signs, "a holds the labels"), (infinite_at_a_half, "")]


def from_the_coherence_of_columns(X, y, c):
    return built(X, y, (X.T @ X).fill_diagonal_(0).abs().max().item() / X.shape[1])


def from_the_cosines_of_columns(X, y, c):
    unit = torch.nn.functional.normalize(X, dim=0)
    return built(X, y, (unit.T @ unit).fill_diagonal_(0).abs().max().item())


def from_the_mean_of_pairs(X, y, c):
    products = (X @ X.T).fill_diagonal_(0).abs() / X.shape[1]
    return built(X, y, products.sum().item() / (len(X) * (len(X) - 1)))


WRONG += [(from_the_coherence_of_columns, ""), (from_the_cosines_of_columns, ""), (from_the_mean_of_pairs, "")]


def from_the_mean_of_the_nearest(X, y, c):
    """Each point's largest inner product, and their mean."""
    return built(X, y, ((X @ X.T).fill_diagonal_(0).abs().amax(1) / X.shape[1]).mean().item())


WRONG += [(from_the_mean_of_the_nearest, "")]
