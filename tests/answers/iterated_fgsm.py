"""Answers to exercise iterated-fgsm."""

import functools

import numpy as np
import torch


def loops(grad_fn, delta0, eps, alpha, steps):
    delta = delta0.tolist()
    for _ in range(steps):
        slope = grad_fn(torch.tensor(delta, dtype=delta0.dtype)).tolist()
        delta = [max(-eps, min(eps, d + alpha * ((g > 0) - (g < 0)))) for d, g in zip(delta, slope, strict=True)]
    return delta


def numpy(grad_fn, delta0, eps, alpha, steps):
    delta = delta0.numpy()
    for _ in range(steps):
        delta = np.clip(delta + alpha * np.sign(grad_fn(torch.from_numpy(delta)).numpy()), -eps, eps)
    return delta


def in_place(grad_fn, delta0, eps, alpha, steps):
    for _ in range(steps):
        delta0 += alpha * grad_fn(delta0).sign()
        delta0.clamp_(-eps, eps)
    return delta0


def recursion(grad_fn, delta0, eps, alpha, steps):
    if steps == 0:
        return delta0
    return recursion(grad_fn, (delta0 + alpha * torch.sgn(grad_fn(delta0))).clip(-eps, eps), eps, alpha, steps - 1)


def while_loop(grad_fn, delta0, eps, alpha, steps):
    delta, k = delta0.clone(), 0
    while k < steps:
        with torch.no_grad():
            delta = torch.clamp(delta + alpha * torch.sign(grad_fn(delta)), min=-eps, max=eps)
        k += 1
    return delta


def reduced(grad_fn, delta0, eps, alpha, steps):
    return functools.reduce(lambda d, _: (d + alpha * grad_fn(d).sign()).clamp(-eps, eps), range(steps), delta0)


def minimum_and_maximum(grad_fn, delta0, eps, alpha, steps):
    edge = torch.full_like(delta0, eps)
    for _ in range(steps):
        delta0 = torch.maximum(torch.minimum(delta0 + alpha * grad_fn(delta0).sign(), edge), -edge)
    return delta0


def float32(grad_fn, delta0, eps, alpha, steps):
    delta = delta0.float()
    for _ in range(steps):
        delta = (delta + alpha * grad_fn(delta).sign()).clamp(-eps, eps)
    return delta


def divided_where_not_zero(grad_fn, delta0, eps, alpha, steps):
    delta = delta0
    for _ in range(steps):
        g = grad_fn(delta)
        delta = (delta + alpha * torch.where(g == 0, g, g / g.abs())).clamp(-eps, eps)
    return delta


def greater_and_less(grad_fn, delta0, eps, alpha, steps):
    delta = delta0
    for _ in range(steps):
        g = grad_fn(delta)
        delta = (delta + alpha * (g > 0) - alpha * (g < 0)).clamp(-eps, eps)
    return delta


def requires_grad(grad_fn, delta0, eps, alpha, steps):
    delta = delta0.clone().requires_grad_()
    for _ in range(steps):
        delta.data = (delta.data + alpha * grad_fn(delta.detach()).sign()).clamp(-eps, eps)
    return delta


RIGHT = [
    loops, numpy, in_place, recursion, while_loop, reduced, minimum_and_maximum, float32, divided_where_not_zero,
    greater_and_less, requires_grad,
]  # fmt: skip


def divided_by_its_size(grad_fn, delta0, eps, alpha, steps):
    d = delta0
    for _ in range(steps):
        g = grad_fn(d)
        d = (d + alpha * g / g.abs()).clamp(-eps, eps)
    return d


def returned_in_the_loop(grad_fn, delta0, eps, alpha, steps):
    d = delta0
    for _ in range(steps):
        d = (d + alpha * grad_fn(d).sign()).clamp(-eps, eps)
        return d
    return d


def one_gradient(grad_fn, delta0, eps, alpha, steps):
    g, d = grad_fn(delta0).sign(), delta0
    for _ in range(steps):
        d = (d + alpha * g).clamp(-eps, eps)
    return d


def one_long_step(grad_fn, delta0, eps, alpha, steps):
    return (delta0 + steps * alpha * grad_fn(delta0).sign()).clamp(-eps, eps)


def from_zero(grad_fn, delta0, eps, alpha, steps):
    d = 0 * delta0
    for _ in range(steps):
        d = (d + alpha * grad_fn(d).sign()).clamp(-eps, eps)
    return d


def from_a_random_point(grad_fn, delta0, eps, alpha, steps):
    return reduced(grad_fn, eps * (2 * torch.rand_like(delta0) - 1), eps, alpha, steps)


def at_the_corner(grad_fn, delta0, eps, alpha, steps):
    return eps * grad_fn(delta0).sign()


def pixel_box(grad_fn, delta0, eps, alpha, steps):
    d = delta0
    for _ in range(steps):
        d = (d + alpha * grad_fn(d).sign()).clamp(-eps, eps).clamp(0, 1)
    return d


def projected_at_the_end(grad_fn, delta0, eps, alpha, steps):
    for _ in range(steps):
        delta0 = delta0 + alpha * grad_fn(delta0).sign()
    return delta0.clamp(-eps, eps)


def half_steps(grad_fn, delta0, eps, alpha, steps):
    return reduced(grad_fn, delta0, eps, alpha / 2, steps)


def shrinking_steps(grad_fn, delta0, eps, alpha, steps):
    for k in range(steps):
        delta0 = (delta0 + alpha / (k + 1) * grad_fn(delta0).sign()).clamp(-eps, eps)
    return delta0


def the_wrong_place(grad_fn, delta0, eps, alpha, steps):
    before = delta0
    for _ in range(steps):
        slope, before = grad_fn(before).sign(), delta0
        delta0 = (delta0 + alpha * slope).clamp(-eps, eps)
    return delta0


def momentum(grad_fn, delta0, eps, alpha, steps):
    speed = torch.zeros_like(delta0)
    for _ in range(steps):
        speed = 0.9 * speed + grad_fn(delta0)
        delta0 = (delta0 + alpha * speed.sign()).clamp(-eps, eps)
    return delta0


def stops_when_it_turns(grad_fn, delta0, eps, alpha, steps):
    first = grad_fn(delta0).sign()
    for _ in range(steps):
        slope = grad_fn(delta0).sign()
        delta0 = (delta0 + alpha * slope * (slope == first)).clamp(-eps, eps)
    return delta0


def all_of_them(grad_fn, delta0, eps, alpha, steps):
    return torch.stack([reduced(grad_fn, delta0, eps, alpha, k) for k in range(steps + 1)])


def never_projects(grad_fn, delta0, eps, alpha, steps):
    delta = delta0.clone()
    for _ in range(steps):
        delta += alpha * grad_fn(delta).sign()
    return delta


WRONG = [
    (never_projects, "got    [0.6, -0.55]"),  # and eps is 0.3 there
    (divided_by_its_size, "sign(0) = 0"),
    (returned_in_the_loop, "Only one step is made"),
    (one_gradient, "The gradient is taken once"),
    (one_long_step, "The gradient is taken once"),
    (from_zero, "starts at delta0"),
    (from_a_random_point, "wanted"),
    (at_the_corner, "wanted"),
    (pixel_box, "wanted"),
    (projected_at_the_end, "inside the loop"),
    (half_steps, "wanted"),
    (shrinking_steps, "wanted"),
    (the_wrong_place, "wanted"),
    (momentum, "wanted"),
    (stops_when_it_turns, "wanted"),
    (all_of_them, "wanted"),
]


def in_numpy_throughout(grad_fn, delta0, eps, alpha, steps):
    delta = delta0.numpy()
    for _ in range(steps):
        delta = np.clip(delta + alpha * np.sign(np.asarray(grad_fn(delta))), -eps, eps)
    return delta


RIGHT += [in_numpy_throughout]


def a_small_number_added(grad_fn, delta0, eps, alpha, steps):
    for _ in range(steps):
        slope = grad_fn(delta0)
        delta0 = (delta0 + alpha * slope / (slope.abs() + 1e-8)).clamp(-eps, eps)
    return delta0


def small_slopes_are_flat(grad_fn, delta0, eps, alpha, steps):
    for _ in range(steps):
        slope = grad_fn(delta0)
        delta0 = (delta0 + alpha * torch.where(slope.abs() > 1e-6, slope.sign(), 0.0)).clamp(-eps, eps)
    return delta0


def stops_when_all_turn(grad_fn, delta0, eps, alpha, steps):
    before = None
    for _ in range(steps):
        slope = grad_fn(delta0).sign()
        if before is not None and torch.equal(slope, -before):
            break
        delta0, before = (delta0 + alpha * slope).clamp(-eps, eps), slope
    return delta0


WRONG += [
    (a_small_number_added, "1e-12 times as long has the same signs"),
    (small_slopes_are_flat, "1e-12 times as long has the same signs"),
    (stops_when_all_turn, "wanted [0.1]"),
]
