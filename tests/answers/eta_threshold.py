"""Answers to exercise eta-threshold."""

import numpy as np
import torch


def loops(delta0, g, eps):
    slowest = 0.0
    for d, s in zip(delta0.flatten().tolist(), g.flatten().tolist(), strict=True):
        if s > 0:
            slowest = max(slowest, (eps - d) / s)
        if s < 0:
            slowest = max(slowest, (eps + d) / -s)
    return slowest


def numpy(delta0, g, eps):
    d, g = delta0.numpy(), g.numpy()
    return ((eps - np.sign(g[g != 0]) * d[g != 0]) / np.abs(g[g != 0])).max(initial=0.0)


def where(delta0, g, eps):
    return torch.where(g == 0, 0.0, (eps - g.sign() * delta0) / g.abs()).max()


def nan_and_infinity(delta0, g, eps):
    eta = (eps - g.sign() * delta0) / g.abs()
    return eta[eta.isfinite() & (g != 0)].max() if (g != 0).any() else torch.tensor(0.0)


def corner_minus_start(delta0, g, eps):
    moves = g != 0
    return ((eps * g.sign() - delta0)[moves] / g[moves]).tolist() and ((eps * g.sign() - delta0)[moves] / g[moves]).max() or 0.0


def two_sides(delta0, g, eps):
    up, down = (eps - delta0[g > 0]) / g[g > 0], (-eps - delta0[g < 0]) / g[g < 0]
    return torch.cat([up, down, torch.zeros(1, dtype=g.dtype)]).max()


def comprehension(delta0, g, eps):
    pairs = zip(delta0.reshape(-1), g.reshape(-1), strict=True)
    return max([(eps - s.sign() * d) / s.abs() for d, s in pairs if s != 0], default=0)


def float32(delta0, g, eps):
    return where(delta0.float(), g.float(), eps)


def with_a_mask(delta0, g, eps):
    masked = np.ma.masked_where(g.numpy() == 0, g.numpy())
    eta = (eps - np.sign(masked) * delta0.numpy()) / abs(masked)
    return 0.0 if eta.count() == 0 else float(eta.max())


def sorted_times(delta0, g, eps):
    ahead = g.abs() > 0
    times = torch.sort((eps - delta0[ahead] * g[ahead] / g[ahead].abs()) / g[ahead].abs()).values
    return times[-1].item() if len(times) else 0


def vmap(delta0, g, eps):
    one = torch.vmap(lambda d, s: torch.where(s == 0, 0.0, (eps - s.sign() * d) / s.abs()))
    return one(delta0.flatten(), g.flatten()).amax()


RIGHT = [
    loops, numpy, where, nan_and_infinity, corner_minus_start, two_sides, comprehension, float32, with_a_mask, sorted_times, vmap
]  # fmt: skip


def a_small_number_added(delta0, g, eps):
    return ((eps - g.sign() * delta0) / (g.abs() + 1e-12)).max()


def without_the_start(delta0, g, eps):
    return (eps / g[g != 0].abs()).max() if (g != 0).any() else 0.0


def one_side(delta0, g, eps):
    return max([(eps - d) / abs(s) for d, s in zip(delta0.flatten().tolist(), g.flatten().tolist(), strict=True) if s], default=0)


def positive_slopes(delta0, g, eps):
    return torch.where(g > 0, (eps - delta0) / g, 0.0).max()


def negative_slopes(delta0, g, eps):
    return torch.where(g < 0, (eps + delta0) / -g, 0.0).max()


def without_the_zeros_case(delta0, g, eps):
    moves = g != 0
    return ((eps - g[moves].sign() * delta0[moves]) / g[moves].abs()).max()


def infinite_for_zeros(delta0, g, eps):
    return loops(delta0, g, eps) if g.any() else torch.inf


def of_the_shortest_slope(delta0, g, eps):
    moves = g.flatten() != 0
    if not moves.any():
        return 0.0
    d, s = delta0.flatten()[moves], g.flatten()[moves]
    i = s.abs().argmin()
    return (eps - s[i].sign() * d[i]) / s[i].abs()


def of_the_longest_way(delta0, g, eps):
    moves = g.flatten() != 0
    if not moves.any():
        return 0.0
    d, s = delta0.flatten()[moves], g.flatten()[moves]
    i = (eps - s.sign() * d).argmax()
    return (eps - s[i].sign() * d[i]) / s[i].abs()


def by_halves(delta0, g, eps):
    eta = 1.0
    while eta < 1e9 and not torch.equal((delta0 + eta * g).clamp(-eps, eps)[g != 0], (eps * g.sign())[g != 0]):
        eta *= 2
    return eta


def of_each_entry(delta0, g, eps):
    return torch.where(g == 0, 0.0, (eps - g.sign() * delta0) / g.abs())


def twice(delta0, g, eps):
    return 2 * loops(delta0, g, eps)


def of_the_sum(delta0, g, eps):
    return eps * g.numel() / g.abs().sum().clamp(min=1e-9)


def of_the_norm(delta0, g, eps):
    return eps / g.norm().clamp(min=1e-9)


def of_the_first_two(delta0, g, eps):
    return loops(delta0.flatten()[:2], g.flatten()[:2], eps)


WRONG = [
    (a_small_number_added, "leave them out"),
    (without_the_start, "right for a start at 0"),
    (one_side, "the way to the upper edge"),
    (positive_slopes, "wanted"),
    (negative_slopes, "wanted"),
    (without_the_zeros_case, ""),
    (infinite_for_zeros, "asks for nothing"),
    (of_the_shortest_slope, "wanted"),
    (of_the_longest_way, "wanted"),
    (by_halves, "wanted"),
    (of_each_entry, "wanted"),
    (twice, "wanted"),
    (of_the_sum, "wanted"),
    (of_the_norm, "wanted"),
    (of_the_first_two, "wanted"),
]


def of_the_slopes(delta0, g, eps, moves):
    return ((eps - g[moves].sign() * delta0[moves]) / g[moves].abs()).max().item() if moves.any() else 0.0


def without_small_slopes(delta0, g, eps):
    return of_the_slopes(delta0, g, eps, g.abs() > 1e-6)


def without_what_is_close_to_zero(delta0, g, eps):
    return of_the_slopes(delta0, g, eps, ~torch.isclose(g, torch.zeros_like(g)))


def without_slopes_that_are_small_beside_others(delta0, g, eps):
    return of_the_slopes(delta0, g, eps, g.abs() > 1e-3 * g.abs().max())


WRONG += [
    (without_small_slopes, "wanted 800000"),
    (without_what_is_close_to_zero, "10¹² times shorter"),
    (without_slopes_that_are_small_beside_others, "wanted 800000"),
]
