"""Answers to exercise worst-margin."""

import itertools

import numpy as np
import torch


def loops(w, b, X, y, eps):
    size = sum(abs(v) for v in w.tolist())
    return [
        t * (sum(p * q for p, q in zip(w.tolist(), row, strict=True)) + b) - eps * size
        for row, t in zip(X.tolist(), y.tolist(), strict=True)
    ]


def numpy(w, b, X, y, eps):
    w, X, y = w.numpy(), X.numpy(), y.numpy()
    return y * (X.dot(w) + b) - eps * np.linalg.norm(w, 1)


def einsum(w, b, X, y, eps):
    return torch.einsum("b,bd,d->b", y, X, w) + y * b - eps * w.norm(p=1)


def the_attack_itself(w, b, X, y, eps):
    delta = -eps * torch.outer(y, w.sign())
    return y * ((X + delta) @ w + b)


def every_corner(w, b, X, y, eps):
    corners = torch.tensor(list(itertools.product((-eps, eps), repeat=len(w))), dtype=w.dtype)
    return torch.stack([t * ((row + corners) @ w + b) for row, t in zip(X, y, strict=True)]).amin(1)


def vmap(w, b, X, y, eps):
    return torch.vmap(lambda row, t: t * (row @ w + b) - eps * w.abs().sum())(X, y)


def by_the_gradient(w, b, X, y, eps):
    slope = torch.vmap(torch.func.grad(lambda row, t: t * (row @ w + b)))(X, y)
    return y * ((X - eps * slope.sign()) @ w + b)


def autograd(w, b, X, y, eps):
    X = X.clone().requires_grad_()
    margins = y * (X @ w + b)
    (slope,) = torch.autograd.grad(margins.sum(), X)
    return margins - eps * slope.abs().sum(1)


def float32(w, b, X, y, eps):
    return y.float() * (X.float() @ w.float() + b) - eps * w.float().abs().sum()


def broadcasting(w, b, X, y, eps):
    return ((y[:, None] * X * w).sum(-1) + y * b).sub(eps * w.abs().sum())


def linear_layer(w, b, X, y, eps):
    return y * torch.nn.functional.linear(X, w[None], torch.tensor([b], dtype=w.dtype))[:, 0] - eps * torch.linalg.norm(w, 1)


RIGHT = [
    loops, numpy, einsum, the_attack_itself, every_corner, vmap, by_the_gradient, autograd, float32, broadcasting, linear_layer,
]  # fmt: skip


def euclidean_with_numpy(w, b, X, y, eps):
    return y * (X @ w + b) - eps * np.linalg.norm(w.numpy())


def one_delta_for_all(w, b, X, y, eps):
    return y * ((X - eps * w.sign()) @ w + b)


def no_label_in_the_attack(w, b, X, y, eps):
    return y * ((X + eps * w.sign()) @ w + b)


def a_random_attack(w, b, X, y, eps):
    corners = eps * torch.randn(50, *X.shape, dtype=X.dtype).sign()
    return (y * ((X + corners) @ w + b)).amin(0)


def best_case(w, b, X, y, eps):
    return y * ((X + eps * y[:, None] * w.sign()) @ w + b)


def twice_the_radius(w, b, X, y, eps):
    return y * (X @ w + b) - 2 * eps * w.abs().sum()


def the_mean_weight(w, b, X, y, eps):
    return y * (X @ w + b) - eps * w.abs().mean()


def a_distance(w, b, X, y, eps):
    return y * (X @ w + b) / w.abs().sum().clamp(min=1e-9) - eps


def whether_it_is_fooled(w, b, X, y, eps):
    return (y * (X @ w + b) - eps * w.abs().sum() > 0).double()


def wrong_rows_are_left(w, b, X, y, eps):
    margins = y * (X @ w + b)
    return torch.where(margins > 0, margins - eps * w.abs().sum(), margins)


def the_bias_attacked(w, b, X, y, eps):
    return y * (X @ w + b) - eps * (w.abs().sum() + abs(b))


def the_first_row(w, b, X, y, eps):
    return (y * (X @ w + b) - eps * w.abs().sum())[:1].expand(len(X))


def three_weights(w, b, X, y, eps):
    return y * (X @ w + b) - eps * w[:3].abs().sum()


def the_change(w, b, X, y, eps):
    return -eps * w.abs().sum() * torch.ones_like(y)


def a_column(w, b, X, y, eps):
    return (y * (X @ w + b) - eps * w.abs().sum())[:, None]


WRONG = [
    (euclidean_with_numpy, "Euclidean ball"),
    (one_delta_for_all, "For y = -1 the worst δ has the opposite sign"),
    (no_label_in_the_attack, "wanted"),
    (a_random_attack, ""),
    (best_case, "yours raises it"),
    (twice_the_radius, "wanted"),
    (the_mean_weight, "wanted"),
    (a_distance, "wanted"),
    (whether_it_is_fooled, "wanted"),
    (wrong_rows_are_left, "wanted"),
    (the_bias_attacked, "wanted"),
    (the_first_row, "wanted"),
    (three_weights, "wanted"),
    (the_change, "wanted"),
    (a_column, "wanted"),
]


def corner_by_corner(w, b, X, y, eps):
    worst = torch.full_like(y, torch.inf)
    for corner in itertools.product((-eps, eps), repeat=len(w)):
        worst = torch.minimum(worst, y * ((X + torch.tensor(corner)) @ w + b))
    return worst


def a_thousand_corners(w, b, X, y, eps):
    corners = eps * torch.randn(1000, *X.shape, dtype=X.dtype).sign()
    return (y * ((X + corners) @ w + b)).amin(0)


RIGHT += [corner_by_corner]
WRONG += [(a_thousand_corners, "In 1")]
