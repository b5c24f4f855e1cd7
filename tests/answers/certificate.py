"""Answers to exercise certificate."""

import math

import numpy as np
import torch


def loops(W, b, a, X, y):
    found = []
    for x, label in zip(X, y, strict=True):
        on, off = 0.0, math.inf
        for w, bias, outer in zip(W, b, a, strict=True):
            z, length = (w @ x + bias).item(), w.norm().item()
            if label * outer > 0:
                on = max(on, z / length)
            elif label * outer < 0:
                off = min(off, max(-z / length, 0.0))
        found.append(min(on, off))
    return found


def in_numpy(W, b, a, X, y):
    W, b, a, X, y = (part.numpy() for part in (W, b, a, X, y))
    far = (X @ W.T + b) / np.linalg.norm(W, axis=1)
    sign = np.sign(np.outer(y, a))
    on = np.where(sign > 0, np.maximum(far, 0), 0).max(axis=1)
    off = np.where(sign < 0, np.maximum(-far, 0), np.inf).min(axis=1)
    return np.minimum(on, off)


def einsum(W, b, a, X, y):
    z = torch.einsum("kd,nd->nk", W, X) + b
    far = z / torch.einsum("kd,kd->k", W, W).sqrt()
    weight = torch.einsum("n,k->nk", y, a)
    on = far.masked_fill(weight <= 0, 0.0).clamp_min(0).max(1).values
    off = (-far).masked_fill(weight >= 0, torch.inf).min(1).values
    return torch.minimum(on, off).clamp(min=0)


def clamped_at_the_end(W, b, a, X, y):
    far = (X @ W.T + b) / W.norm(dim=1)
    weight = y[:, None] * a
    own = torch.where(weight > 0, far, -torch.inf).amax(1)
    others = torch.where(weight < 0, -far, torch.inf).amin(1)
    return torch.clamp(torch.minimum(own, others), min=0)


def by_class(W, b, a, X, y):
    far = (X @ W.T + b) / W.norm(dim=1)
    found = torch.zeros(len(X), dtype=X.dtype)
    for label in (-1, 1):
        rows = far[y == label]
        own, others = rows[:, label * a > 0], rows[:, label * a < 0]
        on = torch.cat([own, torch.zeros(len(rows), 1)], 1).amax(1)
        off = torch.cat([-others, torch.full((len(rows), 1), torch.inf)], 1).amin(1)
        found[y == label] = torch.minimum(on, off).clamp(min=0)
    return found


def normalised_first(W, b, a, X, y):
    length = W.norm(dim=1, keepdim=True)
    W, b = W / length, b / length[:, 0]
    result = []
    for x, label in zip(X, y, strict=True):
        z = W @ x + b
        own, others = z[label * a > 0], -z[label * a < 0]
        result.append(max(0.0, min(max(own.tolist(), default=0.0), min(others.tolist(), default=math.inf))))
    return torch.tensor(result)


def one_point(W, b, a, x, label):
    z = (W @ x + b) / torch.linalg.vector_norm(W, dim=1)
    on = torch.where(label * a > 0, z.clamp(min=0), torch.zeros_like(z)).max()
    off = torch.where(label * a < 0, (-z).clamp(min=0), torch.full_like(z, torch.inf)).min()
    return torch.minimum(on, off)


def vmapped(W, b, a, X, y):
    return torch.func.vmap(one_point, in_dims=(None, None, None, 0, 0))(W, b, a, X, y)


def a_list_of_tensors(W, b, a, X, y):
    return [one_point(W, b, a, x, label) for x, label in zip(X, y, strict=True)]


def bisected(W, b, a, X, y):
    """Whether a neuron stays on and the others off, for ever larger radii."""
    low, high, length = torch.zeros_like(y), torch.full_like(y, 1e9), W.norm(dim=1)
    z, weight = X @ W.T + b, y[:, None] * a
    for _ in range(60):
        r = (low + high) / 2
        on = ((weight > 0) & (z > r[:, None] * length)).any(1)
        off = ((weight >= 0) | (z < -r[:, None] * length)).all(1)
        low, high = torch.where(on & off, r, low), torch.where(on & off, high, r)
    return low


def in_float32(W, b, a, X, y):
    return clamped_at_the_end(*(part.float() for part in (W, b, a, X, y)))


RIGHT = [
    loops,
    in_numpy,
    einsum,
    clamped_at_the_end,
    by_class,
    normalised_first,
    vmapped,
    a_list_of_tensors,
    bisected,
    in_float32,
]


def negative_ones(W, b, a, X, y):
    far = (X @ W.T + b) / W.norm(dim=1)
    weight = y[:, None] * a
    own = torch.where(weight > 0, far, -torch.inf).amax(1)
    return torch.minimum(own, torch.where(weight < 0, -far, torch.inf).amin(1))


def only_the_opposite_clamped(W, b, a, X, y):
    far = (X @ W.T + b) / W.norm(dim=1)
    weight = y[:, None] * a
    own = torch.where(weight > 0, far, -torch.inf).amax(1)
    return torch.minimum(own, torch.where(weight < 0, -far, torch.inf).amin(1).clamp(min=0))


def raw_pre_activations(W, b, a, X, y):
    return _certified(X @ W.T + b, a, y)


def _certified(far, a, y):
    weight = y[:, None] * a
    own = torch.where(weight > 0, far, 0.0).amax(1).clamp(min=0)
    return torch.minimum(own, torch.where(weight < 0, -far, torch.inf).amin(1).clamp(min=0))


def every_label_plus_one(W, b, a, X, y):
    return _certified((X @ W.T + b) / W.norm(dim=1), a, torch.ones_like(y))


def labels_turned(W, b, a, X, y):
    return _certified((X @ W.T + b) / W.norm(dim=1), a, -y)


def frobenius(W, b, a, X, y):
    return _certified((X @ W.T + b) / W.norm(), a, y)


def squared_length(W, b, a, X, y):
    return _certified((X @ W.T + b) / (W**2).sum(1), a, y)


def largest_entry(W, b, a, X, y):
    return _certified((X @ W.T + b) / W.abs().amax(1), a, y)


def bias_forgotten(W, b, a, X, y):
    return _certified(X @ W.T / W.norm(dim=1), a, y)


def the_unconnected_counts(W, b, a, X, y):
    far, weight = (X @ W.T + b) / W.norm(dim=1), y[:, None] * a
    own = torch.where(weight > 0, far, 0.0).amax(1).clamp(min=0)
    return torch.minimum(own, torch.where(weight <= 0, -far, torch.inf).amin(1).clamp(min=0))


def all_own_ones_stay_on(W, b, a, X, y):
    far, weight = (X @ W.T + b) / W.norm(dim=1), y[:, None] * a
    own = torch.where(weight > 0, far, torch.inf).amin(1).clamp(min=0)
    return torch.minimum(own, torch.where(weight < 0, -far, torch.inf).amin(1).clamp(min=0))


def the_smallest_of_all(W, b, a, X, y):
    return ((X @ W.T + b).abs() / W.norm(dim=1)).min()


def sum_of_both(W, b, a, X, y):
    far, weight = (X @ W.T + b) / W.norm(dim=1), y[:, None] * a
    own = torch.where(weight > 0, far, 0.0).amax(1).clamp(min=0)
    return own + torch.where(weight < 0, -far, torch.inf).amin(1).clamp(min=0)


def by_the_gradient(W, b, a, X, y):
    on = (X @ W.T + b > 0).double()
    f = (torch.relu(X @ W.T + b) * a).sum(1)
    return (y * f).clamp(min=0) / ((on * a) @ W).norm(dim=1).clamp(min=1e-9)


def of_the_lipschitz_constant(W, b, a, X, y):
    f = (torch.relu(X @ W.T + b) * a).sum(1)
    return (y * f).clamp(min=0) / (a.abs() @ W.norm(dim=1))


def zero(W, b, a, X, y):
    return torch.zeros_like(y)


def unconnected_is_own(W, b, a, X, y):
    D = (X @ W.T + b) / W.norm(dim=1)
    opposite = y[:, None] * a < 0
    on = torch.where(~opposite, D, -torch.inf).amax(1)
    return torch.minimum(on, torch.where(opposite, -D, torch.inf).amin(1)).clamp(min=0)


def own_by_largest_z(W, b, a, X, y):
    z, n, s = X @ W.T + b, W.norm(dim=1), y[:, None] * a
    own = torch.where(s > 0, z, -torch.inf)
    on = torch.where((s > 0).any(1), own.amax(1) / n[own.argmax(1)], 0.0)
    return torch.minimum(on, torch.where(s < 0, -z / n, torch.inf).amin(1)).clamp(min=0)


WRONG = [
    (unconnected_is_own, "wanted"),
    (own_by_largest_z, "wanted"),
    (negative_ones, "the radius is 0, not less"),
    (only_the_opposite_clamped, ""),
    (raw_pre_activations, "z_j is no distance"),
    (every_label_plus_one, "The label is not used"),
    (labels_turned, ""),
    (frobenius, "the norm of the whole matrix"),
    (squared_length, "not by its square"),
    (largest_entry, ""),
    (bias_forgotten, ""),
    (the_unconnected_counts, "wanted"),
    (all_own_ones_stay_on, "is enough"),
    (the_smallest_of_all, "wanted [0.7, 1"),
    (sum_of_both, ""),
    (by_the_gradient, ""),
    (of_the_lipschitz_constant, "from the Lipschitz constant"),
    (zero, ""),
]


def the_last_own_one(W, b, a, X, y):
    radii = []
    for x, label in zip(X, y, strict=True):
        own, opposite = 0.0, math.inf
        for w, shift, sign in zip(W, b, a, strict=True):
            distance = ((w @ x + shift) / w.norm()).item()
            if sign * label > 0 and distance > 0:
                own = distance
            if sign * label < 0:
                opposite = min(opposite, max(-distance, 0.0))
        radii.append(min(own, opposite))
    return torch.tensor(radii)


WRONG += [(the_last_own_one, "wanted")]


def up_to_a_thousand(W, b, a, X, y):
    far, weight = (X @ W.T + b) / W.norm(dim=1), y[:, None] * a
    own = torch.where(weight > 0, far, 0.0).amax(1)
    return torch.minimum(own, torch.where(weight < 0, -far, 1000.0).amin(1)).clamp(min=0)


WRONG += [(up_to_a_thousand, "got    [1000.0]")]
