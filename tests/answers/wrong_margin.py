"""Answers to exercise wrong-margin."""

import itertools

import numpy as np
import torch


def loops(W, b, x, eps):
    f = [sum(v * p for v, p in zip(row, x.tolist(), strict=True)) + c for row, c in zip(W.tolist(), b.tolist(), strict=True)]
    y = f.index(max(f))
    reach = [sum(abs(v - u) for v, u in zip(row, W[y].tolist(), strict=True)) for row in W.tolist()]
    return max(f[j] - f[y] + eps * reach[j] for j in range(len(f)) if j != y)


def numpy(W, b, x, eps):
    W, f = W.numpy(), W.numpy() @ x.numpy() + b.numpy()
    y = f.argmax()
    return np.delete(f - f[y] + eps * np.abs(W - W[y]).sum(1), y).max()


def every_corner(W, b, x, eps):
    y = (W @ x + b).argmax()
    corners = torch.tensor(list(itertools.product((-eps, eps), repeat=len(x))), dtype=x.dtype)
    f = (x + corners) @ W.T + b
    f = f - f[:, y : y + 1]
    f[:, y] = -torch.inf
    return f.max()


def masked(W, b, x, eps):
    f = W @ x + b
    others = torch.arange(len(b)) != f.argmax()
    D = W[others] - W[f.argmax()]
    return (D @ x + b[others] - b[f.argmax()] + eps * D.abs().sum(1)).max()


def the_attack_itself(W, b, x, eps):
    y, best = (W @ x + b).argmax(), []
    for j in range(len(b)):
        if j != y:
            f = W @ (x + eps * (W[j] - W[y]).sign()) + b
            best.append(f[j] - f[y])
    return torch.stack(best).max()


def sorted_classes(W, b, x, eps):
    order = (W @ x + b).argsort(descending=True)
    W, b = W[order], b[order]
    return ((W[1:] - W[0]) @ x + b[1:] - b[0] + eps * (W[1:] - W[0]).abs().sum(1)).max().item()


def distances(W, b, x, eps):
    f = W @ x + b
    y = int(f.argmax())
    values = f - f[y] + eps * torch.cdist(W, W, p=1)[y]
    return max(values.tolist()[:y] + values.tolist()[y + 1 :])


def float32(W, b, x, eps):
    return masked(W.float(), b.float(), x.float(), eps)


def vmap(W, b, x, eps):
    y = (W @ x + b).argmax()
    values = torch.vmap(lambda w, c: (w - W[y]) @ x + c - b[y] + eps * (w - W[y]).abs().sum())(W, b)
    return values.masked_fill(torch.arange(len(b)) == y, -torch.inf).max()


def einsum(W, b, x, eps):
    f = torch.einsum("kd,d->k", W, x) + b
    y = f.argmax()
    values = f - f[y] + eps * torch.einsum("kd->k", (W - W[y]).abs())
    return torch.cat([values[:y], values[y + 1 :]]).amax()


def by_the_gradient(W, b, x, eps):
    y = (W @ x + b).argmax()

    def lead(v):
        f = W @ v + b
        return f - f[y]

    slopes = torch.func.jacrev(lead)(x)
    values = lead(x) + eps * slopes.abs().sum(1)
    values[y] = -torch.inf
    return values.max()


RIGHT = [
    loops, numpy, every_corner, masked, the_attack_itself, sorted_classes, distances, float32, vmap, einsum, by_the_gradient,
]  # fmt: skip


def never_negative(W, b, x, eps):
    return max(0.0, loops(W, b, x, eps))


def the_margin(W, b, x, eps):
    return -loops(W, b, x, eps)


def second_at_x(W, b, x, eps):
    f = W @ x + b
    j, y = f.argsort()[-2:]
    return f[j] - f[y] + eps * np.abs((W[j] - W[y]).numpy()).sum()


def class_zero_is_right(W, b, x, eps):
    f = W @ x + b
    return (f[1:] - f[0] + eps * (W[1:] - W[0]).abs().sum(1)).max()


def of_two_classes(W, b, x, eps):
    return loops(W[:2], b[:2], x, eps)


def without_the_bias_of_the_class(W, b, x, eps):
    y = (W @ x).argmax()
    f = W @ x + b
    values = f - f[y] + eps * (W - W[y]).abs().sum(1)
    return torch.cat([values[:y], values[y + 1 :]]).max()


def along_the_loss(W, b, x, eps):
    f = W @ x + b
    y = f.argmax()
    slope = W.T @ (f.softmax(0) - torch.nn.functional.one_hot(y, len(f)).to(f))
    f = W @ (x + eps * slope.sign()) + b
    return torch.cat([f[:y] - f[y], f[y + 1 :] - f[y]]).max()


def the_number_of_entries(W, b, x, eps):
    f = W @ x + b
    y = f.argmax()
    values = f - f[y] + eps * len(x)
    return torch.cat([values[:y], values[y + 1 :]]).max()


def twice_the_radius(W, b, x, eps):
    return loops(W, b, x, 2 * eps)


def all_of_them(W, b, x, eps):
    f = W @ x + b
    return f - f.max() + eps * (W - W[f.argmax()]).abs().sum(1)


def the_class(W, b, x, eps):
    return (W @ x + b).argmax()


def whether(W, b, x, eps):
    return loops(W, b, x, eps) > 0


def any_pair(W, b, x, eps):
    f = W @ x + b
    return (f[:, None] - f + eps * (W[:, None] - W).abs().sum(2)).fill_diagonal_(-torch.inf).max()


def class_at_the_end(W, b, x, eps):
    return (W @ x + b + eps * W.abs().sum(1)).max() - (W @ x + b - eps * W.abs().sum(1)).max()


def zeros_dropped(W, b, x, eps):
    f = W @ x + b
    v = f - f.max() + eps * (W - W[f.argmax()]).abs().sum(1)
    return v[v != 0].max().item()


WRONG = [
    (zeros_dropped, "wanted"),
    (never_negative, "Yours is never negative"),
    (the_margin, "The sign is turned round"),
    (second_at_x, "such as the runner-up"),
    (class_zero_is_right, "wanted"),
    (of_two_classes, "wanted"),
    (without_the_bias_of_the_class, "wanted"),
    (along_the_loss, "aim at each wrong class"),
    (the_number_of_entries, "wanted"),
    (twice_the_radius, "wanted"),
    (all_of_them, "wanted"),
    (the_class, "wanted"),
    (whether, "wanted"),
    (any_pair, "wanted"),
    (class_at_the_end, "wanted"),
]


def by_a_mask(W, b, x, eps):
    f = W @ x + b
    y = f.argmax()
    return (f - f[y] + eps * (W - W[y]).abs().sum(1))[f != f.max()].max()


def of_the_steepest_class(W, b, x, eps):
    f = W @ x + b
    y = f.argmax().item()
    j = max((j for j in range(len(f)) if j != y), key=lambda j: f[j] + eps * W[j].abs().sum())
    return f[j] - f[y] + eps * (W[j] - W[y]).abs().sum()


WRONG += [(by_a_mask, ""), (of_the_steepest_class, "")]


def from_the_class_without_bias(W, b, x, eps):
    f, y = W @ x + b, (W @ x).argmax()
    best = f - f[y] + eps * (W - W[y]).abs().sum(1)
    return torch.cat([best[:y], best[y + 1 :]]).max()


def of_the_class_that_moves_most(W, b, x, eps):
    f = W @ x + b
    reach = (W - W[f.argmax()]).abs().sum(1)
    j = reach.argmax()
    return f[j] - f.max() + eps * reach[j]


WRONG += [(from_the_class_without_bias, "wanted"), (of_the_class_that_moves_most, "wanted")]


def of_the_four_that_lead(W, b, x, eps):
    f = W @ x + b
    y, *close = f.topk(min(4, len(f))).indices
    return max(f[j] - f[y] + eps * (W[j] - W[y]).abs().sum() for j in close)


def above_minus_a_thousand(W, b, x, eps):
    f = W @ x + b
    y = f.argmax()
    values = f - f[y] + eps * (W - W[y]).abs().sum(1)
    values[y] = -1000.0
    return values.max()


WRONG += [(of_the_four_that_lead, "wanted 1.1"), (above_minus_a_thousand, "got    -1000.0")]
