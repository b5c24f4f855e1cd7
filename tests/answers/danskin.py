"""Answers to exercise danskin."""

import numpy as np
import torch
from torch.nn.functional import softplus


def loops(w, b, X, y, eps):
    gradient = torch.zeros_like(w)
    for x, label in zip(X, y, strict=True):
        worst = x - eps * label * w.sign()
        gradient -= torch.sigmoid(-label * (w @ worst + b)) * label * worst
    return gradient / len(X)


def in_numpy(w, b, X, y, eps):
    w, X, y = (np.asarray(part) for part in (w, X, y))
    moved = X - eps * y[:, None] * np.sign(w)
    share = 1 / (1 + np.exp(y * (moved @ w + b)))
    return -(share * y) @ moved / len(y)


def in_float32(w, b, X, y, eps):
    return loops(w.float(), b, X.float(), y.float(), eps)


def by_autograd_at_delta(w, b, X, y, eps):
    moved = X - eps * y[:, None] * w.sign()
    w = w.clone().requires_grad_()
    softplus(-y * (moved @ w + b)).mean().backward()
    return w.grad


def by_autograd_of_the_formula(w, b, X, y, eps):
    w = w.clone().requires_grad_()
    loss = softplus(eps * w.abs().sum() - y * (X @ w + b)).mean()
    return torch.autograd.grad(loss, w)[0]


def by_torch_func(w, b, X, y, eps):
    moved = X - eps * y[:, None] * w.sign()
    return torch.func.grad(lambda v: softplus(-y * (moved @ v + b)).mean())(w)


def by_jacrev(w, b, X, y, eps):
    return torch.func.jacrev(lambda v: softplus(eps * v.abs().sum() - y * (X @ v + b)).mean())(w)


def by_einsum(w, b, X, y, eps):
    moved = X - eps * torch.einsum("n,d->nd", y, torch.sign(w))
    return -torch.einsum("n,n,nd->d", torch.sigmoid(-y * (moved @ w + b)), y, moved) / len(y)


def by_hand_on_the_formula(w, b, X, y, eps):
    share = torch.sigmoid(eps * w.abs().sum() - y * (X @ w + b))
    return (-(share * y)[:, None] * X + eps * share[:, None] * w.sign()).mean(0)


def another_maximiser_at_zero(w, b, X, y, eps):
    moved = X - eps * y[:, None] * torch.where(w >= 0, 1.0, -1.0)
    return -(torch.sigmoid(-y * (moved @ w + b)) * y) @ moved / len(y)


def as_a_list(w, b, X, y, eps):
    return loops(w, b, X, y, eps).tolist()


RIGHT = [
    loops, in_numpy, in_float32, by_autograd_at_delta, by_autograd_of_the_formula, by_torch_func, by_jacrev, by_einsum,
    by_hand_on_the_formula, another_maximiser_at_zero, as_a_list,
]  # fmt: skip


def at(moved, w, b, y):
    return -(torch.sigmoid(-y * (moved @ w + b)) * y) @ moved / len(y)


def clean(w, b, X, y, eps):
    return at(X, w, b, y)


def best_case(w, b, X, y, eps):
    return at(X + eps * y[:, None] * w.sign(), w, b, y)


def label_missing(w, b, X, y, eps):
    return at(X - eps * w.sign(), w, b, y)


def half_way(w, b, X, y, eps):
    return at(X - eps / 2 * y[:, None] * w.sign(), w, b, y)


def euclidean(w, b, X, y, eps):
    return at(X - eps * y[:, None] * w / w.norm(), w, b, y)


def not_a_number_at_zero(w, b, X, y, eps):
    return at(X - eps * y[:, None] * w / w.abs(), w, b, y)


def summed(w, b, X, y, eps):
    return loops(w, b, X, y, eps) * len(y)


def minus(w, b, X, y, eps):
    return -loops(w, b, X, y, eps)


def lasso(w, b, X, y, eps):
    return at(X, w, b, y) + eps * w.sign()


def no_bias(w, b, X, y, eps):
    return loops(w, 0.0, X, y, eps)


def slope_turned(w, b, X, y, eps):
    moved = X - eps * y[:, None] * w.sign()
    return -(torch.sigmoid(y * (moved @ w + b)) * y) @ moved / len(y)


def loss_at_the_clean_points(w, b, X, y, eps):
    return -(torch.sigmoid(-y * (X @ w + b)) * y) @ (X - eps * y[:, None] * w.sign()) / len(y)


def features_at_the_clean_points(w, b, X, y, eps):
    moved = X - eps * y[:, None] * w.sign()
    return -(torch.sigmoid(-y * (moved @ w + b)) * y) @ X / len(y)


def one_gradient_a_sample(w, b, X, y, eps):
    moved = X - eps * y[:, None] * w.sign()
    return -(torch.sigmoid(-y * (moved @ w + b)) * y)[:, None] * moved


def in_the_pixel_box(w, b, X, y, eps):
    return at((X - eps * y[:, None] * w.sign()).clamp(0, 1), w, b, y)


def twice_the_radius_at_zero(w, b, X, y, eps):
    return loops(w, b, X, y, eps) + torch.where(w == 0, 2 * eps, 0.0)


WRONG = [
    (clean, "no δ is in it"),
    (best_case, "best case"),
    (label_missing, "label is missing in δ*"),
    (half_way, "half-way"),
    (euclidean, "Euclidean ball"),
    (not_a_number_at_zero, "no number where w_i = 0"),
    (summed, "divide by their number"),
    (minus, "minus the gradient"),
    (lasso, "inside the loss"),
    (no_bias, "bias is missing"),
    (slope_turned, "-sigmoid(m)"),
    (loss_at_the_clean_points, "itself still at x"),
    (features_at_the_clean_points, "not y x"),
    (one_gradient_a_sample, "shape"),
    (in_the_pixel_box, "wanted"),
    (twice_the_radius_at_zero, "wanted"),
]
