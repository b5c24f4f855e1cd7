"""Answers to exercise projection."""

import functools

import numpy as np
import torch


def loops(delta, x, eps, lo=0, hi=1):
    def cut(d, p):
        return [cut(*pair) for pair in zip(d, p, strict=True)] if isinstance(d, list) else max(min(d, eps, hi - p), -eps, lo - p)

    return torch.tensor(cut(delta.tolist(), x.tolist()))


def numpy(delta, x, eps, lo=0.0, hi=1.0):
    return np.clip(x + np.clip(delta, -eps, eps), lo, hi) - x.numpy()


def bounds(delta, x, eps, lo=0.0, hi=1.0):
    return delta.clamp((lo - x).clamp(min=-eps), (hi - x).clamp(max=eps))


def minimum_and_maximum(delta, x, eps, lo=0.0, hi=1.0):
    delta = torch.minimum(torch.maximum(delta, torch.full_like(x, -eps)), torch.full_like(x, eps))
    return torch.minimum(torch.maximum(delta, lo - x), hi - x)


def box_first(delta, x, eps, lo=0.0, hi=1.0):
    return ((x + delta).clamp(lo, hi) - x).clamp(-eps, eps)


def where(delta, x, eps, lo=0.0, hi=1.0):
    delta = torch.where(delta.abs() > eps, eps * delta.sign(), delta)
    delta = torch.where(x + delta > hi, hi - x, delta)
    return torch.where(x + delta < lo, lo - x, delta)


def in_place(delta, x, eps, lo=0.0, hi=1.0):
    delta[delta > eps] = eps
    delta[delta < -eps] = -eps
    return delta.add_(x).clamp_(lo, hi).sub_(x)


def float32(delta, x, eps, lo=0.0, hi=1.0):
    return (x + delta.float().clip(-eps, eps)).float().clip(lo, hi) - x.float()


def vmap(delta, x, eps, lo=0.0, hi=1.0):
    return torch.vmap(lambda d, p: (p + d.clamp(-eps, eps)).clamp(lo, hi) - p)(delta, x)


def hard_tanh(delta, x, eps, lo=0.0, hi=1.0):
    cut = eps * torch.nn.functional.hardtanh(delta / eps) if eps else 0 * delta
    return (x + cut).clamp(lo, hi) - x


def around_the_image(delta, x, eps, lo=0.0, hi=1.0):
    return torch.clamp(torch.clamp(x + delta, x - eps, x + eps), lo, hi) - x


partial = functools.partial(around_the_image)
partial.__name__ = "partial"

RIGHT = [
    loops, numpy, bounds, minimum_and_maximum, box_first, where, in_place, float32, vmap, hard_tanh, around_the_image, partial
]  # fmt: skip


def one_by_one_without_the_ball(delta, x, eps, lo=0, hi=1):
    return ((x + delta).clamp(lo, hi) - x).tolist()


def the_image_with_numpy(delta, x, eps, lo=0, hi=1):
    return np.clip(x + np.clip(delta, -eps, eps), lo, hi)


def box_of_delta(delta, x, eps, lo=0, hi=1):
    return delta.clamp(max(lo, -eps), min(hi, eps))


def the_default_box(delta, x, eps, lo=0, hi=1):
    return (x + delta.clamp(-eps, eps)).clamp(0, 1) - x


def above_alone(delta, x, eps, lo=0, hi=1):
    return torch.minimum(delta.clamp(-eps, eps), hi - x)


def below_alone(delta, x, eps, lo=0, hi=1):
    return torch.maximum(delta.clamp(-eps, eps), lo - x)


def dropped_outside(delta, x, eps, lo=0, hi=1):
    inside = (x + delta >= lo) & (x + delta <= hi)
    return torch.where(inside, delta.clamp(-eps, eps), 0.0)


def whole_or_nothing(delta, x, eps, lo=0, hi=1):
    return delta if delta.abs().max() <= eps else bounds(eps * delta.sign(), x, eps, lo, hi)


def rows_by_their_length(delta, x, eps, lo=0, hi=1):
    length = delta.norm(dim=-1, keepdim=True)
    return bounds(delta * (eps / length).clamp(max=1), x, eps, lo, hi)


def half_the_radius(delta, x, eps, lo=0, hi=1):
    return bounds(delta, x, eps / 2, lo, hi)


def wrapped(delta, x, eps, lo=0, hi=1):
    return (x + delta.clamp(-eps, eps)) % 1 - x


def smooth(delta, x, eps, lo=0, hi=1):
    return bounds(eps * torch.tanh(delta / max(eps, 1e-9)), x, eps, lo, hi)


def shrunk(delta, x, eps, lo=0, hi=1):
    return bounds(delta.sign() * (delta.abs() - eps).clamp(min=0), x, eps, lo, hi)


def in_reverse(delta, x, eps, lo=0, hi=1):
    return bounds(-delta, x, eps, lo, hi)


def only_vectors(delta, x, eps, lo=0, hi=1):
    return bounds(delta[:3], x[:3], eps, lo, hi)


def whether_it_is_inside(delta, x, eps, lo=0, hi=1):
    return (delta.abs() <= eps) & (x + delta >= lo) & (x + delta <= hi)


WRONG = [
    (whether_it_is_inside, "got    [False, True]"),
    (one_by_one_without_the_ball, "The ball is missing"),
    (the_image_with_numpy, "the perturbation δ alone"),
    (box_of_delta, "and not of δ"),
    (the_default_box, "always [0, 1]"),
    (above_alone, "wanted"),
    (below_alone, "wanted"),
    (dropped_outside, "wanted"),
    (whole_or_nothing, "wanted"),
    (rows_by_their_length, "wanted"),
    (half_the_radius, "wanted"),
    (wrapped, "wanted"),
    (smooth, "wanted"),
    (shrunk, "wanted"),
    (in_reverse, "wanted"),
    (only_vectors, "wanted"),
]
