"""Answers to exercise collapse."""

import numpy as np
import torch


def one_line(X, y):
    return ((y @ X) / len(X)).abs().max()


def loops(X, y):
    n, d = X.shape
    means = [sum(y[k].item() * X[k, i].item() for k in range(n)) / n for i in range(d)]
    return max(abs(mean) for mean in means)


def in_numpy(X, y):
    return np.abs((np.asarray(y)[:, None] * np.asarray(X)).mean(axis=0)).max()


def in_float32(X, y):
    return (X.float().T @ y.float() / len(y)).norm(p=torch.inf)


def by_einsum(X, y):
    return torch.einsum("n,nd->d", y, X).abs().amax() / y.numel()


def by_classes(X, y):
    total = X[y > 0].sum(0) - X[y < 0].sum(0)
    return (total / len(X)).abs().max()


def by_the_norm(X, y):
    return torch.linalg.vector_norm((y[:, None] * X).mean(0), ord=float("inf"))


def by_both_signs(X, y):
    mean = (y.unsqueeze(1) * X).mean(0)
    return torch.cat([mean, -mean]).max()


def by_the_gradient_at_zero(X, y):
    w = torch.zeros(X.shape[1], dtype=X.dtype, requires_grad=True)
    torch.nn.functional.softplus(-y * (X @ w)).mean().backward()
    return 2 * w.grad.abs().max()


def by_torch_func(X, y):
    def loss(w):
        return torch.nn.functional.softplus(-y * (X @ w)).mean()

    return 2 * torch.func.grad(loss)(X.new_zeros(X.shape[1])).abs().max()


def in_place(X, y):
    X *= y[:, None]
    return X.mean(0).abs_().max()


RIGHT = [
    one_line, loops, in_numpy, in_float32, by_einsum, by_classes, by_the_norm, by_both_signs, by_the_gradient_at_zero,
    by_torch_func, in_place,
]  # fmt: skip


def summed(X, y):
    return (X.T @ y).abs().max()


def halved(X, y):
    return one_line(X, y) / 2


def centred(X, y):
    return one_line(X - X.mean(0), y)


def one_feature_a_number(X, y):
    return ((y @ X) / len(X)).abs()


def labels_forgotten(X, y):
    return X.mean(0).abs().max()


def signed(X, y):
    return ((y @ X) / len(X)).max()


def from_below(X, y):
    return -((y @ X) / len(X)).min()


def median(X, y):
    return (y[:, None] * X).median(0).values.abs().max()


def largest_feature(X, y):
    return X.abs().max()


def averaged_over_the_features(X, y):
    return ((y @ X) / len(X)).abs().mean()


def smallest(X, y):
    return ((y @ X) / len(X)).abs().min()


def unbiased(X, y):
    return (y @ X).abs().max() / max(len(X) - 1, 1)


def over_the_deviation(X, y):
    return ((y[:, None] * X).mean(0) / (X.std(0, correction=0) + 1)).abs().max()


def divided_by_d(X, y):
    return ((y @ X) / X.shape[1]).abs().max()


def index(X, y):
    return ((y @ X) / len(X)).abs().argmax()


WRONG = [
    (summed, "divide by their number"),
    (halved, "it cancels"),
    (centred, "no bias"),
    (one_feature_a_number, "shape"),
    (labels_forgotten, "labels are missing"),
    (signed, "negative mean is worth as much"),
    (from_below, "wanted"),
    (median, "not its median"),
    (largest_feature, "sample by sample"),
    (averaged_over_the_features, "not their mean"),
    (smallest, "first feature leaves"),
    (unbiased, "wanted"),
    (over_the_deviation, "wanted"),
    (divided_by_d, "wanted"),
    (index, "wanted"),
]
