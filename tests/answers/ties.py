"""Answers to exercise ties."""

import numpy as np
import torch


def loops(G, h):
    return max(sum(a * b for a, b in zip(row, h.tolist(), strict=True)) for row in G.tolist())


def in_numpy(G, h):
    return (np.asarray(G) @ np.asarray(h)).max()


def in_float32(G, h):
    return torch.max(G.float() @ h.float())


def by_einsum(G, h):
    return torch.einsum("mp,p->m", G, h).amax()


def sorted_last(G, h):
    return (G @ h).sort().values[-1]


def by_topk(G, h):
    return torch.topk((G * h).sum(1), 1).values[0].item()


def by_the_smallest_of_the_other_side(G, h):
    return -(G @ -h).min()


def by_argmax(G, h):
    return G[(G @ h).argmax()] @ h


def with_a_running_maximum(G, h):
    best = -float("inf")
    for g in G:
        best = max(best, (g @ h).item())
    return best


def by_a_small_step(G, h):
    return (G @ (1e-3 * h)).max() / 1e-3


def as_a_list_of_one_number(G, h):
    return np.float64((G @ h).max())


def by_vmap(G, h):
    return torch.func.vmap(torch.dot, (0, None))(G, h).max()


RIGHT = [
    loops, in_numpy, in_float32, by_einsum, sorted_last, by_topk, by_the_smallest_of_the_other_side, by_argmax,
    with_a_running_maximum, by_a_small_step, as_a_list_of_one_number, by_vmap,
]  # fmt: skip


def cut_at_zero(G, h):
    return max(0.0, (G @ h).max().item())


def median(G, h):
    return torch.quantile(G @ h, 0.5)


def lower_median(G, h):
    return (G @ h).median()


def second_largest(G, h):
    return (G @ h).sort().values[-2:][0]


def soft_maximum(G, h):
    return (G @ h).logsumexp(0)


def all_slopes(G, h):
    return G @ h


def h_forgotten(G, h):
    return G.max()


def along_the_unit_vector(G, h):
    return (G @ h).max() / h.norm()


def largest_in_size_of_either_sign(G, h):
    slopes = (G @ h).tolist()
    return max(slopes, key=abs)


def mean_of_the_gradients(G, h):
    return G.mean(0) @ h


def the_index(G, h):
    return (G @ h).argmax()


def difference_of_the_extremes(G, h):
    return (G @ h).max() - (G @ h).min()


def entry_by_entry(G, h):
    return torch.where(h > 0, G.amax(0), G.amin(0)) @ h


def the_first_of_two(G, h):
    return max((G[0] @ h).item(), (G[-1] @ h).item())


def with_its_sign_turned(G, h):
    return -((G @ h).max())


WRONG = [
    (cut_at_zero, "their maximum falls too"),
    (median, "in the middle"),
    (lower_median, "in the middle"),
    (second_largest, "wanted"),
    (soft_maximum, "wanted"),
    (all_slopes, "shape"),
    (h_forgotten, "wanted"),
    (along_the_unit_vector, "divide by the length"),
    (largest_in_size_of_either_sign, "with its sign"),
    (mean_of_the_gradients, "not their mean"),
    (the_index, "wanted"),
    (difference_of_the_extremes, "wanted"),
    (entry_by_entry, "several maximisers at once"),
    (the_first_of_two, "wanted"),
    (with_its_sign_turned, "sign is turned"),
]


def from_minus_a_thousand(G, h):
    best = -1000.0
    for g in G:
        best = max(best, (g @ h).item())
    return best


WRONG += [(from_minus_a_thousand, "")]


def starts_again_at_zero(G, h):
    best = None
    for g in G:
        slope = (g @ h).item()
        if not best or slope > best:  # 0 is no None
            best = slope
    return best


WRONG += [(starts_again_at_zero, "wanted 0.0")]
