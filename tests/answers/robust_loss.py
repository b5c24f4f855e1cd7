"""Answers to exercise robust-loss."""

import math
from functools import partial

import numpy as np
import torch
from torch import nn


def loops(w, b, X, y, eps):
    total = 0.0
    for x, label in zip(X.tolist(), y.tolist(), strict=True):
        margin = label * (sum(a * c for a, c in zip(w.tolist(), x, strict=True)) + b)
        total += math.log1p(math.exp(-(margin - eps * sum(map(abs, w.tolist())))))
    return total / len(X)


def in_numpy(w, b, X, y, eps):
    w, X, y = (np.asarray(part) for part in (w, X, y))
    return np.logaddexp(0, -(y * (X @ w + b) - eps * np.abs(w).sum())).mean()


def in_float32(w, b, X, y, eps):
    w, X, y = w.float(), X.float(), y.float()
    return nn.functional.softplus(-y * (X @ w + b) + eps * w.norm(p=1)).mean()


def by_the_worst_delta(w, b, X, y, eps):
    delta = -eps * y[:, None] * w.sign()
    return torch.log(1 + torch.exp(-y * ((X + delta) @ w + b))).mean()


def by_logsigmoid(w, b, X, y, eps):
    return -nn.functional.logsigmoid(y * (X @ w + b) - eps * w.abs().sum()).sum() / len(X)


def by_einsum(w, b, X, y, eps):
    margin = torch.einsum("n,nd,d->n", y, X, w) + y * b - eps * torch.einsum("d,d->", w, w.sign())
    return torch.logaddexp(torch.zeros_like(margin), -margin).mean()


def by_both_ends(w, b, X, y, eps):
    ends = torch.stack([(X - eps) * w, (X + eps) * w])
    worst = torch.where(y[:, None] > 0, ends.amin(0), ends.amax(0)).sum(1)
    return nn.functional.softplus(-y * (worst + b)).mean()


def by_soft_margin_loss(w, b, X, y, eps):
    return nn.functional.soft_margin_loss(X @ w + b - y * eps * w.abs().sum(), y)


def as_a_tensor_of_one(w, b, X, y, eps):
    return torch.stack([loops_of_one(w, b, x, label, eps) for x, label in zip(X, y, strict=True)]).mean()


def loops_of_one(w, b, x, label, eps):
    return nn.functional.softplus(-(label * (w @ x + b) - eps * w.abs().sum()))


class Loss:
    def __call__(self, w, b, X, y, eps):
        return nn.Softplus()(eps * w.abs().sum() - y * (X.matmul(w) + b)).mean()

    def method(self, w, b, X, y, eps):
        return self(w, b, X, y, eps).item()


def in_place(w, b, X, y, eps):
    X -= eps * y[:, None] * w.sign()
    return nn.functional.softplus(-y * (X @ w + b)).mean()


def with_options(w, b, X, y, eps, reduce="mean"):
    losses = nn.functional.softplus(eps * w.abs().sum() - y * (X @ w + b))
    return getattr(losses, reduce)()


def squared_price(w, b, X, y, eps):
    return nn.functional.softplus(-(y * (X @ w + b) - eps * (w**2).sum())).mean()


def in_the_pixel_box(w, b, X, y, eps):
    moved = (X - eps * y[:, None] * w.sign()).clamp(0, 1)
    return nn.functional.softplus(-y * (moved @ w + b)).mean()


def one_loss_a_sample(w, b, X, y, eps):
    return nn.functional.softplus(eps * w.abs().sum() - y * (X @ w + b))


def in_base_two(w, b, X, y, eps):
    return in_numpy(w, b, X, y, eps) / math.log(2)


def price_times_d(w, b, X, y, eps):
    return nn.functional.softplus(eps * len(w) * w.abs().sum() - y * (X @ w + b)).mean()


def adversary_also_in_the_bias(w, b, X, y, eps):
    return nn.functional.softplus(eps * (w.abs().sum() + abs(b)) - y * (X @ w + b)).mean()


RIGHT = [
    loops, in_numpy, in_float32, by_the_worst_delta, by_logsigmoid, by_einsum, by_both_ends, by_soft_margin_loss,
    as_a_tensor_of_one, in_place, with_options,
]  # fmt: skip
for one, name in ((Loss(), "callable"), (Loss().method, "method"), (partial(with_options, reduce="mean"), "partial")):

    def wrapped(*arguments, one=one):
        return one(*arguments)

    wrapped.__name__ = name
    RIGHT.append(wrapped)

WRONG = [
    (squared_price, "wanted"),
    (in_the_pixel_box, "wanted"),
    (one_loss_a_sample, "shape"),
    (in_base_two, "wanted"),
    (price_times_d, "wanted"),
    (adversary_also_in_the_bias, "wanted"),
]
